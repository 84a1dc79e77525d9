"""`syndicate feeds`: which there are, feeds of one's own, tokens of private ones, a feed's end; what is wrong with them."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, plain, say, state

app = typer.Typer(no_args_is_help=True)
COLUMNS = ("name", "kind", "title", "entries", "private", "ended", "owed", "bytes", "address")
Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the feed's address.")]


@app.command("list")
def list_(
    kind: Annotated[str, typer.Option(help="all, series, mark, named or composed.")] = "",
    as_json: AsJson = False,
) -> None:
    """All feeds: what they show, how large they are, whether they are behind."""
    from syndication.feeds import listing

    wiring = state()
    with wiring.db.reading() as session:
        emit(listing.feeds(session, wiring.base_url, kind), as_json, COLUMNS)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its address is /feeds/NAME.atom.")],
    title: Annotated[str, typer.Option(help="What readers see it called.")],
    description: Annotated[str, typer.Option(help="A sentence about it.")] = "",
    series: Annotated[list[str] | None, typer.Option(help="Only of this series; several: of any of them.")] = None,
    author: Annotated[list[str] | None, typer.Option(help="Only by this author; several: by any of them.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only on this topic; several: on any of them.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Only in this language; several: in any of them.")] = None,
    full: Annotated[bool, typer.Option("--full/--standfirst", help="Whole texts, or standfirsts with a link.")] = True,
    newest: Annotated[int | None, typer.Option(help="So many entries and no archive; else all, page by page.")] = None,
    order: Annotated[str, typer.Option(help="date, or part: to be read from the start.")] = "date",
    private: Annotated[bool, typer.Option("--private", help="For those who have its token.")] = False,
    as_json: AsJson = False,
) -> None:
    """Define a feed, or change it. A private one's token is shown once, when it is made."""
    from syndication import defining
    from syndication.feeds import describing, owing
    from syndication.ledger.lookup import the_publication

    said = defining.Definition(
        name, title, description, tuple(series or ()), tuple(author or ()), tuple(topic or ()), tuple(language or ()),
        full, newest, order, private,
    )  # fmt: skip
    wiring = state()
    with wiring.db.transaction() as session:
        defining.known_series(session, said.series, "--series")
        feed = defining.define(session, the_publication(session), said)
        token = defining.new_token(session, feed) if private and feed.token_hash is None else None
        feed_id = feed.id
        made = {"name": name, "address": describing.address_of(feed, wiring.base_url, "atom")}
    owing.render_one(wiring.db, wiring.base_url, feed_id)
    _tell(wiring.base_url, made, token, as_json)


@app.command()
def token(name: Name, as_json: AsJson = False) -> None:
    """A new token for a private feed; an older one ends."""
    from syndication import defining
    from syndication.feeds import describing, owing

    wiring = state()
    with wiring.db.transaction() as session:
        feed = defining.feed_named(session, name)
        made = {"name": name, "address": describing.address_of(feed, wiring.base_url, "atom")}
        secret = defining.new_token(session, feed)
        feed_id = feed.id
    owing.render_one(wiring.db, wiring.base_url, feed_id)
    _tell(wiring.base_url, made, secret, as_json)


@app.command()
def end(
    name: Name,
    moved_to: Annotated[
        str, typer.Option(metavar="NAME", help="The feed to follow instead: addresses lead there.")
    ] = "",
) -> None:
    """End a feed for good: its addresses answer 410, readers take it out; or 301 to another."""
    from syndication import defining

    with state().db.transaction() as session:
        instead = defining.feed_named(session, moved_to) if moved_to else None
        defining.end(session, defining.feed_named(session, name), instead)
    say(f"{name} has ended: its addresses " + (f"lead to {moved_to} (301)." if moved_to else "answer 410."))


@app.command()
def check(
    base_url: Annotated[str, typer.Option(help="As if the service were at this address.")] = "",
    series: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="As if a series had this slug; several may be named.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What readers would see anew if every feed were made now, with these settings: compared with what was last served.

    The exit status is 1 where an item would come back as new.
    """
    from syndication import defining
    from syndication.errors import BadInput
    from syndication.feeds import checking
    from syndication.setting_values import base_address

    try:
        base_url = base_address(base_url)
    except ValueError as error:
        raise BadInput(f"{base_url!r} is no base address;", where="--base-url", remedy=f"{error}.") from error
    slugs = dict(_renaming(one) for one in series or ())
    wiring = state()
    with wiring.db.reading() as session:
        defining.known_series(session, list(slugs), "--series")
        found = checking.compare(session, base_url or wiring.base_url, slugs)
    if as_json:
        emit(found, True)
    else:
        say(checking.in_words(found))
    if found.reappear:
        raise typer.Exit(1)


@app.command()
def lint(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Left out: every feed.")] = "", as_json: AsJson = False
) -> None:
    """What a validator or a reader would trip over: in feeds as they are served, and in the entries that they show.

    The exit status is 1 where there is an error.
    """
    from sqlalchemy import select

    from syndication import clock, defining
    from syndication.feeds import linting
    from syndication.ledger.bulk import among
    from syndication.ledger.content import Artifact, Entry, Feed
    from syndication.ledger.lookup import the_publication

    wiring = state()
    with wiring.db.reading() as session:
        everything = select(Feed).where(Feed.gone.is_(False)).order_by(Feed.id)
        feeds = [defining.feed_named(session, name)] if name else list(session.scalars(everything))
        shown = select(Artifact.entry_revisions).where(Artifact.feed_id.in_([feed.id for feed in feeds]))
        revisions = {revision for row in session.scalars(shown) for revision in row}
        ids = sorted(session.scalars(select(Entry.id).where(among(session, Entry.revision_id, sorted(revisions)))))
        found = linting.of_feeds(session, feeds, wiring.base_url)
        found += linting.of_entries(session, the_publication(session), ids, wiring.base_url, clock.now())
    if found or as_json:
        emit([{"in": place, **plain(one)} for place, one in found], as_json)
    else:
        say(f"{len(feeds)} feeds, {len(ids)} entries: no fault.")
    if any(one.level == "error" for _, one in found):
        raise typer.Exit(1)


@app.command()
def diff(name: Name, as_json: AsJson = False) -> None:
    """Why this feed changed, the newest change first: by an entry, a revision, a notice, a setting, this program."""
    from syndication import defining

    wiring = state()
    with wiring.db.reading() as session:
        emit(defining.feed_named(session, name).history, as_json, ("at", "number", "why"))


def _renaming(said: str) -> tuple[str, str]:
    from syndication.errors import BadInput
    from syndication.feeds.naming import is_name

    old, _, new = said.partition("=")
    if not is_name(new):
        raise BadInput(f"{said!r} names no slug to come;", where="--series", remedy="write OLD=NEW.")
    return old, new


def _tell(base_url: str, made: dict[str, str], token: str | None, as_json: bool) -> None:
    """The address, also .rss and .json; a private one's token, and the address that holds it, this once."""
    if token is not None:
        made |= {"token": token, "secret_address": f"{base_url}/feeds/key/{token}/feed.atom"}
    if as_json:
        emit(made, True)
        return
    say(f"{made['name']}: {made['address']}")
    if token is not None:
        say(f"token (shown this once): {made['token']}\nor as one secret address: {made['secret_address']}")
