"""`syndicate digest`: cut, list, show, pause, resume, cancel, test.

`cut` leaves freezing and sending to the workers; where none was seen it does both in this process.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from syndication.cli.output import AsJson, emit, say, state
from syndication.ledger.mailings import Issue

app = typer.Typer(no_args_is_help=True, help="Issues: cut, list, show, pause, resume, cancel, test.")
Cadence = Annotated[str, typer.Option(help="at-once, daily or weekly.")]
IssueId = Annotated[int, typer.Argument(metavar="ISSUE", help="An issue's id.")]
COLUMNS = (
    "id",
    "cadence",
    "slot",
    "state",
    "eligible",
    "sent",
    "waiting",
    "failed",
    "unknown",
    "suppressed",
    "cancelled",
)


@app.command()
def cut(
    cadence: Cadence = "daily",
    now: Annotated[bool, typer.Option("--now", help="Everybody at this cadence, whatever their hour.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cut the issues of a cadence that are due, or with --now one for everybody at it."""
    from syndication.cli.publishing import workers_seen
    from syndication.digests import issues
    from syndication.mail.sender import send_due
    from syndication.mail.transport import open_transport

    wiring = state()
    made = issues.cut(wiring.db, cadence, now=now)
    if made and not workers_seen(wiring.db):
        for issue_id in made:
            issues.freeze(wiring.db, issue_id, chunk=wiring.settings.freeze_chunk)
        while send_due(wiring, open_transport(wiring.settings)):
            pass
    with wiring.db.reading() as session:
        rows = [_record(session, issues.issue_named(session, issue_id)) for issue_id in made]
    emit(rows, as_json, columns=COLUMNS)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Issues, the newest first, with their deliveries by state."""
    from sqlalchemy import select

    with state().db.reading() as session:
        newest = session.scalars(select(Issue).order_by(Issue.id.desc()).limit(limit)).all()
        rows = [_record(session, issue) for issue in newest]
    emit(rows, as_json, columns=COLUMNS)


@app.command()
def show(issue: IssueId, as_json: AsJson = False) -> None:
    """One issue with its deliveries by state."""
    from syndication.digests.issues import issue_named

    with state().db.reading() as session:
        record = _record(session, issue_named(session, issue))
    emit(record, as_json)


@app.command()
def pause(issue: IssueId, as_json: AsJson = False) -> None:
    """Stop sending an issue; what a worker holds already may still go out."""
    _act("pause", issue, as_json)


@app.command()
def resume(issue: IssueId, as_json: AsJson = False) -> None:
    """Go on sending a paused issue."""
    _act("resume", issue, as_json)


@app.command()
def cancel(issue: IssueId, as_json: AsJson = False) -> None:
    """Send an issue to nobody who has not got it yet."""
    _act("cancel", issue, as_json)


@app.command("test")
def trial(address: str, cadence: Cadence = "daily", as_json: AsJson = False) -> None:
    """Send the next digest to one address as it would go. Nothing is cut and nothing recorded."""
    from syndication.mail.transport import open_transport
    from syndication.mail.trial import send_trial

    wiring = state()
    sent = send_trial(wiring, open_transport(wiring.settings), address, cadence=cadence)
    if as_json:
        emit(sent, True)
        return
    entries = "one entry" if len(sent.entries) == 1 else f"{len(sent.entries)} entries"
    say(f"{sent.state}: {sent.subject} ({entries}) to {sent.address}; {sent.reply}")
    if sent.example:
        say("Nothing new is owed at this cadence, so the newest entries stood in.")
    if sent.shortened != "full":
        say(f"It is too long for one mail, so its entries are shortened to their {sent.shortened}s.")


def _act(verb: str, issue_id: int, as_json: bool) -> None:
    from syndication.digests import issues

    acts = {"pause": issues.pause, "resume": issues.resume, "cancel": issues.cancel}
    with state().db.transaction() as session:
        record = _record(session, acts[verb](session, issue_id))
    emit(record, as_json)


def _record(session: Session, issue: Issue) -> dict[str, Any]:
    from syndication.digests.issues import counts

    found = counts(session, issue.id)
    return {
        "id": issue.id,
        "cadence": issue.cadence,
        "slot": issue.slot,
        "state": f"{issue.state}, paused" if issue.paused else issue.state,
        "upto_seq": issue.upto_seq,
        "eligible": issue.eligible,
        "waiting": found["pending"] + found["sending"] + found["deferred"],
        **found,
        "cut_at": issue.cut_at,
        "done_at": issue.done_at,
    }
