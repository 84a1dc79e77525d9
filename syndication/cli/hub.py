"""`syndicate hub`: who subscribes to our feeds by WebSub, who does not answer, and an end to one."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, state

app = typer.Typer(no_args_is_help=True)


@app.command()
def topics(as_json: AsJson = False) -> None:
    """Feeds with subscribers: how many, how many do not answer, how many pushes wait."""
    from syndication.push import reports

    wiring = state()
    with wiring.db.reading() as session:
        emit(reports.topics(session, wiring.base_url), as_json)


@app.command("list")
def list_(
    topic: Annotated[str, typer.Option(help="Only this feed, such as all.atom.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="Only those that failed last time.")] = False,
    ended: Annotated[bool, typer.Option("--ended", help="Those that ended, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Subscriptions: where to, until when, what was delivered, how they answer."""
    from syndication.push import reports

    wiring = state()
    with wiring.db.reading() as session:
        emit(reports.subscriptions(session, topic=topic, dead=dead, ended=ended, limit=limit), as_json)


@app.command()
def end(subscription: int) -> None:
    """End a subscription at once and tell its callback, which may subscribe anew."""
    from syndication.push import hub

    wiring = state()
    with wiring.db.transaction() as session:
        callback = hub.end_by_hand(session, subscription, wiring.base_url).callback
    say(f"{callback} gets no more pushes by subscription {subscription}.")
