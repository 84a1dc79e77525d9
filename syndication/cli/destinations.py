"""`syndicate destinations`: the providers that asked for less, and their release."""

from __future__ import annotations

import typer

from syndication.cli.output import AsJson, emit, say, state

app = typer.Typer(help="Providers that asked for less mail, or refuse it: list (also without a word), release.")
COLUMNS = ("name", "state", "rate", "waiting", "paused_until", "reply")


@app.callback(invoke_without_command=True)
def destinations(context: typer.Context, as_json: AsJson = False) -> None:
    """Every destination that is not sent to at full speed, what it said, and how many wait for it."""
    if context.invoked_subcommand is None:
        _list(as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """The same."""
    _list(as_json)


@app.command()
def release(name: str) -> None:
    """Send to it again: what waits for it goes first, at half the rate that it took before."""
    from syndication.mail.restrictions import release_named

    with state().db.transaction() as session:
        before = release_named(session, name)
    say(f"{name} was {before} and is sent to again, slowly at first.")


def _list(as_json: bool) -> None:
    from syndication.mail.restrictions import listing

    with state().db.reading() as session:
        rows = listing(session)
    if not rows and not as_json:
        say("Every destination takes its mail at full speed.")
        return
    emit(rows, as_json, columns=COLUMNS)
