"""`syndicate readers`: how many read the feeds through aggregators."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, state


def readers(
    feed: Annotated[str, typer.Argument(help="A feed's name, such as all: by aggregator. Left out: all feeds.")] = "",
    as_json: AsJson = False,
) -> None:
    """Subscribers of the feeds as aggregators (Feedly, NewsBlur, …) say them when they poll.

    Who polls on their own is not counted, and nothing about a person is stored. What an aggregator has not said again for two
    weeks is forgotten.
    """
    from syndication.defining import feed_named
    from syndication.ledger import readership

    with state().db.reading() as session:
        if feed:
            feed_named(session, feed)
        emit(readership.by_aggregator(session, feed) if feed else readership.by_feed(session), as_json)
