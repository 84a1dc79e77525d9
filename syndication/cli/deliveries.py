"""`syndicate deliveries`: list, explain (or show), retry and resolve, by issue, state and domain."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, state
from syndication.mail.resolving import Chosen

app = typer.Typer(no_args_is_help=True)
IssueOption = Annotated[int | None, typer.Option("--issue", help="Only of this issue.")]
DomainOption = Annotated[str | None, typer.Option("--domain", help="Only to addresses at this domain.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="DELIVERY…", help="Deliveries by id.")]


class Way(StrEnum):
    """What an unknown delivery becomes."""

    SENT = "sent"
    AGAIN = "again"


@app.command("list")
def list_(
    issue: IssueOption = None,
    in_state: Annotated[str | None, typer.Option("--state", help="pending, sent, failed, unknown, …")] = None,
    domain: DomainOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Deliveries, the newest first."""
    from syndication.mail.deliveries import listing

    with state().db.reading() as session:
        rows = listing(session, Chosen((), issue, domain), in_state, limit)
    emit(rows, as_json)


@app.command()
def explain(delivery: int, as_json: AsJson = False) -> None:
    """How one delivery stands, and why."""
    from syndication.mail.deliveries import explain as explained

    with state().db.reading() as session:
        record = explained(session, delivery)
    if not as_json:
        say(record.pop("sentence"))
    emit(record, as_json)


app.command("show", help="The same as explain.")(explain)


@app.command()
def retry(
    deliveries: Ids = None,
    issue: IssueOption = None,
    domain: DomainOption = None,
    in_state: Annotated[
        str | None, typer.Option("--state", help="failed (what is meant without it) or deferred.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try again now: one or several, or all failed or deferred ones of an issue or to a domain."""
    from syndication.mail.resolving import retry as again

    with state().db.transaction() as session:
        count = again(session, Chosen(tuple(deliveries or ()), issue, domain), in_state)
    if as_json:
        emit({"retried": count}, True)
    else:
        say(f"{count} due again.")


@app.command()
def resolve(
    way: Annotated[Way, typer.Option("--as", help="sent: take as sent. again: send with the same Message-ID.")],
    deliveries: Ids = None,
    issue: IssueOption = None,
    domain: DomainOption = None,
    as_json: AsJson = False,
) -> None:
    """Say what became of unknown deliveries, whose reply was lost. One sent again may arrive twice."""
    from syndication.mail.resolving import resolve as resolved

    with state().db.transaction() as session:
        count = resolved(session, Chosen(tuple(deliveries or ()), issue, domain), way.value)
    if as_json:
        emit({"resolved": count, "as": way.value}, True)
    else:
        say(f"{count} taken as sent." if way is Way.SENT else f"{count} due again, each with its own Message-ID.")
