"""`syndicate series`: which there are, and another slug for one; `syndicate rename`: another slug for a published entry."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, state

app = typer.Typer(no_args_is_help=True)
COLUMNS = ("slug", "title", "entries", "ended", "formerly")
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The new one: small letters, digits and hyphens.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All series: how many published entries, whether it has ended, what it was called before."""
    from sqlalchemy import func, select

    from syndication.ledger import former
    from syndication.ledger.content import Entry, Series

    with state().db.reading() as session:
        counts = dict(
            session.execute(
                select(Entry.series_id, func.count()).where(Entry.state == "published").group_by(Entry.series_id)
            ).all()
        )
        rows = [
            {
                "slug": one.slug,
                "title": one.title,
                "entries": counts.get(one.id, 0),
                "ended": one.ended,
                "formerly": former.slugs_of(session, one),
            }
            for one in session.scalars(select(Series).order_by(Series.slug))
        ]
    emit(rows, as_json, COLUMNS)


@app.command("rename")
def rename_series(
    series: Annotated[str, typer.Argument(metavar="SERIES", help="Its slug; one that it had will do.")], slug: Slug
) -> None:
    """Give a series another slug. Its old addresses lead there (301), for pages and feeds; nothing comes back as new.

    In a tree, give the folder the new name too. `syndicate feeds check --series OLD=NEW` tells before what readers will see.
    """
    from syndication import renaming
    from syndication.ledger.lookup import series_named

    with state().db.transaction() as session:
        found = series_named(session, series)
        was = found.slug
        renaming.rename_series(session, found, slug)
    _catch_up()
    say(f"/series/{was}/ and /feeds/{was}.atom lead to {slug} from now on.")


def rename(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="Id, series/slug, or tag address.")], slug: Slug
) -> None:
    """Give a published entry another address. The old one leads there (301); it keeps its id and its dates."""
    from syndication import renaming
    from syndication.ledger.lookup import entry_named

    with state().db.transaction() as session:
        found = entry_named(session, entry)
        series, was = found.series.slug, found.slug
        renaming.rename_entry(session, found, slug)
    _catch_up()
    say(f"/series/{series}/{was}/ leads to /series/{series}/{slug}/ from now on.")


def _catch_up() -> None:
    """Renders what is owed now, where there is no worker to do it."""
    from syndication import publishing
    from syndication.cli.publishing import workers_seen

    wiring = state()
    if not workers_seen(wiring.db, "publish"):
        publishing.catch_up(wiring.db, wiring.base_url)
