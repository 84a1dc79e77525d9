"""`syndicate why ADDRESS ENTRY`: why this person got it, or when they will, or why not."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, state


def why(
    address: Annotated[str, typer.Argument(help="As it is written to.")],
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="Id, series/slug, or tag address.")],
    as_json: AsJson = False,
) -> None:
    """Say in one sentence why somebody got an entry, or when they will, or why not; and the rows it rests on."""
    from syndication.digests.why import why as asked
    from syndication.ledger.lookup import entry_named

    with state().db.reading() as session:
        answer = asked(session, address, entry_named(session, entry))
    if as_json:
        emit(answer, True)
        return
    say(answer.sentence)
    emit(answer.rows)
