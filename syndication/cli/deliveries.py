"""`syndicate deliveries`: list, explain (or show) and retry, by issue, state and domain."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, state

app = typer.Typer(no_args_is_help=True, help="Mail: list, explain and retry by issue, state and domain.")
IssueOption = Annotated[int | None, typer.Option("--issue", help="Only of this issue.")]


@app.command("list")
def list_(
    issue: IssueOption = None,
    in_state: Annotated[str | None, typer.Option("--state", help="pending, sent, failed, unknown, …")] = None,
    domain: Annotated[str | None, typer.Option(help="Only to addresses at this domain.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Deliveries, the newest first."""
    from syndication.mail.deliveries import listing

    with state().db.reading() as session:
        rows = listing(session, issue=issue, state=in_state, domain=domain, limit=limit)
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
    delivery: Annotated[int | None, typer.Argument(help="One delivery.")] = None,
    issue: IssueOption = None,
    in_state: Annotated[str, typer.Option("--state", help="failed or unknown.")] = "failed",
    as_json: AsJson = False,
) -> None:
    """Send failed or unknown deliveries again: one, or all of an issue. An unknown one may arrive twice."""
    from syndication.mail.deliveries import retry as again

    with state().db.transaction() as session:
        count = again(session, delivery_id=delivery, issue=issue, state=in_state)
    if as_json:
        emit({"retried": count}, True)
    else:
        say(f"{count} due again.")
