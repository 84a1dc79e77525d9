"""`syndicate partners`: add, list, show, revoke, capability."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syndication.cli.output import AsJson, emit, say, state

app = typer.Typer(no_args_is_help=True, help="Partner sites: add, list, show, revoke, capability.")


@app.command()
def add(
    name: str,
    series: Annotated[list[str] | None, typer.Option(help="A series they may pull; none: all.")] = None,
    licence: Annotated[str, typer.Option(help="What they may do, in a sentence or an address.")] = "",
    as_json: AsJson = False,
) -> None:
    """A partner site; prints its token, this once."""
    from syndication.feeds.artifacts import render_owed
    from syndication.ledger.lookup import the_publication
    from syndication.partners import keys

    wiring = state()
    with wiring.db.transaction() as session:
        made = keys.add(session, the_publication(session), name, series or (), licence=licence)
        record = _record(session, made.partner)
    render_owed(wiring.db, wiring.base_url)
    emit({**record, "token": made.token, "feed": f"{wiring.base_url}/partners/v1/feed.rss"}, as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Partners, and when each pulled last."""
    from sqlalchemy import select

    from syndication.ledger.tables import Partner

    with state().db.reading() as session:
        rows = [_record(session, partner) for partner in session.scalars(select(Partner).order_by(Partner.name))]
    emit(rows, as_json)


@app.command()
def show(name: str, limit: int = 50, as_json: AsJson = False) -> None:
    """One partner with its newest pulls: when, what, which revisions, how much."""
    from sqlalchemy import select

    from syndication.ledger.tables import Pull
    from syndication.partners import keys

    with state().db.reading() as session:
        partner = keys.partner_named(session, name)
        record = _record(session, partner)
        query = select(Pull).where(Pull.partner_id == partner.id).order_by(Pull.id.desc()).limit(limit)
        pulls = [
            {"at": p.at, "what": p.what, "status": p.status, "bytes": p.bytes, "revisions": p.revisions}
            for p in session.scalars(query)
        ]
    if as_json:
        emit({**record, "pulls": pulls}, True)
        return
    emit(record)
    emit(pulls)


@app.command()
def revoke(name: str) -> None:
    """Take every key of a partner back, at once and for good."""
    from syndication.partners import keys

    with state().db.transaction() as session:
        keys.revoke(keys.partner_named(session, name))
    say(f"{name} is revoked.")


@app.command()
def capability(name: str, off: Annotated[bool, typer.Option("--off", help="Switch it off.")] = False) -> None:
    """A secret address for importers that take only a URL; prints it, this once. A new one ends the old one."""
    from syndication.partners import keys

    wiring = state()
    with wiring.db.transaction() as session:
        secret = keys.switch_capability(keys.partner_named(session, name), not off)
    say(f"{wiring.base_url}/partners/c/{secret}/feed.rss" if secret else f"{name} has no capability address.")


def _record(session: Any, partner: Any) -> dict[str, Any]:
    from sqlalchemy import func, select

    from syndication.ledger.tables import Pull, Series

    slugs = session.scalars(select(Series.slug).where(Series.id.in_(partner.series_ids)).order_by(Series.slug))
    return {
        "id": partner.id,
        "name": partner.name,
        "series": list(slugs) or ["all"],
        "licence": partner.licence,
        "capability": partner.capability_hash is not None,
        "created_at": partner.created_at,
        "revoked_at": partner.revoked_at,
        "last_pull": session.scalar(select(func.max(Pull.at)).where(Pull.partner_id == partner.id)),
    }
