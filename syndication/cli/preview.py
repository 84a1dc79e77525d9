"""`syndicate preview`: see an entry before anybody else does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, state


def preview(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="Id, series/slug, or tag address.")],
    into: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="Where the files go; default: in the data directory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an entry as it would go out now: its page, its mail as HTML and as text. Open them in a browser.

    A draft, a scheduled entry, or the waiting change of a published one. Nothing is published and nothing recorded; what the
    gate would refuse is told.
    """
    from syndication.ledger.lookup import entry_named
    from syndication.tree.preview import preview as write

    wiring = state()
    with wiring.db.reading() as session:
        found = entry_named(session, entry)
        name = f"{found.series.slug}-{found.slug}"
    made = write(wiring, found.id, into or wiring.settings.data_dir.absolute() / "preview" / name)
    if as_json:
        emit(made, True)
        return
    say(f"“{made.subject}”")
    for what, place in (("page", made.page), ("mail", made.mail), ("text", made.text)):
        if place:
            say(f"{what}  {place}")
