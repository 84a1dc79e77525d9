"""`syndicate digest`: cut, list, show, watch, report, pause, resume, cancel, test.

`cut` leaves freezing and sending to the workers; where none was seen it does both in this process, and sends at once: nobody
would be there later for the minutes over which an issue is spread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import sleep
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from syndication import clock
from syndication.cli import accounts
from syndication.cli.accounts import CsvFile, write_csv
from syndication.cli.output import AsJson, emit, say, state
from syndication.ledger.mailings import Issue

app = typer.Typer(no_args_is_help=True)
accounts.add_to(app)
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
TIMES = ("cut_at", "first_sent_at", "last_sent_at", "done_at")
HAVE_IT = ("sent", "unknown", "sending")  # or may have it
STOP_SECONDS = 5.0  # how long pause and cancel wait for workers to lay down what they hold


@app.command()
def cut(
    cadence: Cadence = "daily",
    now: Annotated[bool, typer.Option("--now", help="Everybody at this cadence, whatever their hour.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cut the issues of a cadence that are due, or with --now one for everybody at it."""
    from syndication.cli.publishing import workers_seen
    from syndication.digests import issues
    from syndication.mail.fleet import way_out
    from syndication.mail.sender import send_due

    wiring = state()
    made = issues.cut(wiring.db, cadence, now=now)
    if made and not workers_seen(wiring.db, "digests", "mail"):
        for issue_id in made:
            issues.freeze(wiring.db, issue_id, chunk=wiring.settings.freeze_chunk)
        while send_due(wiring, way_out(wiring)):
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
    """How one issue adds up, who has not got it and why, and what may be done."""
    from syndication.digests.issues import issue_named
    from syndication.digests.report import report
    from syndication.mail.bounds import bounds

    wiring = state()
    with wiring.db.reading() as session:
        row = issue_named(session, issue)
        found = report(session, row)
        record = _record(session, row)
    if as_json:
        more = found.model_dump(mode="json", include={"holds", "editions", "first_sent_at", "last_sent_at", "troubles"})
        emit({**record, **more, "equation": found.equation, "advice": found.advice}, True)
        return
    say(f"Issue {found.issue}: {found.cadence}, slot {found.slot}, {found.state}")
    say(found.equation)
    emit({"editions": found.editions} | {name: record.get(name) or getattr(found, name) for name in TIMES})
    if found.troubles:
        emit(found.troubles, columns=("domain", "state", "count", "reply"))
    for sentence in found.advice:
        say(sentence)
    if found.counts["unknown"]:
        say(bounds(wiring.settings).sentence)


@app.command()
def pause(issue: IssueId, csv_file: CsvFile = "", as_json: AsJson = False) -> None:
    """Stop the presses: no worker sends any more of this issue within two seconds. Says who has it by then."""
    _act("pause", issue, as_json, csv_file)


@app.command()
def resume(issue: IssueId, as_json: AsJson = False) -> None:
    """Go on sending a paused issue."""
    _act("resume", issue, as_json)


@app.command()
def cancel(
    issue: IssueId,
    carry_over: Annotated[
        bool, typer.Option("--carry-over", help="What they have not got goes with their next digest.")
    ] = False,
    csv_file: CsvFile = "",
    as_json: AsJson = False,
) -> None:
    """Send an issue to nobody who has not got it yet. Says who has it already; --csv names each of them."""
    _act("cancel over" if carry_over else "cancel", issue, as_json, csv_file)


@app.command("test")
def trial(address: str, cadence: Cadence = "daily", as_json: AsJson = False) -> None:
    """Send the next digest to one address as it would go. Nothing is cut and nothing recorded."""
    from syndication.mail.fleet import way_out
    from syndication.mail.trial import send_trial

    wiring = state()
    sent = send_trial(wiring, way_out(wiring, exempt=True), address, cadence=cadence)
    if as_json:
        emit(sent, True)
        return
    entries = "one entry" if len(sent.entries) == 1 else f"{len(sent.entries)} entries"
    say(f"{sent.state}: {sent.subject} ({entries}) to {sent.address}; {sent.reply}")
    if sent.example:
        say("Nothing new is owed at this cadence, so the newest entries stood in.")
    if sent.shortened != "full":
        say(f"It is too long for one mail, so its entries are shortened to their {sent.shortened}s.")


def _act(verb: str, issue_id: int, as_json: bool, csv_file: str = "") -> None:
    from syndication.digests import issues

    wiring = state()
    if verb.startswith("cancel"):  # workers heed a flag at once; a million deliveries are cancelled in their own time
        with wiring.db.transaction() as session:
            issues.hold(session, issue_id)
    acts: dict[str, Callable[[Session, int], Issue]] = {
        "pause": issues.pause, "resume": issues.resume, "cancel": issues.cancel,
        "cancel over": partial(issues.cancel, carry_over=True),
    }  # fmt: skip
    with wiring.db.transaction() as session:
        acts[verb](session, issue_id)
    ends = clock.monotonic() + (0 if verb == "resume" else STOP_SECONDS)
    while True:
        with wiring.db.reading() as session:
            record = _record(session, issues.issue_named(session, issue_id))
        if not record["sending"] or clock.monotonic() >= ends:
            break
        sleep(0.1)
    if csv_file:
        write_csv(wiring, issue_id, csv_file, HAVE_IT)
    if as_json:
        emit(record, True)
    elif csv_file != "-":
        say(f"Issue {issue_id} is {record['state']}: {record['sent']:,} have it, {record['waiting']:,} wait for it.")
        if verb != "resume":
            _say_who_has_it(record, csv_file)


def _say_who_has_it(record: dict[str, Any], csv_file: str) -> None:
    if record["sending"]:
        say(
            f"{record['sending']:,} are still with a worker: it is talking to a slow relay, or it died and its journal tells."
        )
    if record["carried_over"]:
        say(f"{record['carried_over']:,} get what it held with their next digest.")
    if record["unknown"]:
        say(f"{record['unknown']:,} may have it: the relay's answer was lost.")
    if csv_file:
        say(f"Who has it, or may have it, is in {csv_file}.")
    elif record["sent"]:
        say(f"`syndicate digest report {record['id']} --csv FILE --state sent,unknown` names each of them.")


def _record(session: Session, issue: Issue) -> dict[str, Any]:
    from syndication.digests.issues import counts
    from syndication.ledger import carrying

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
        "carried_over": carrying.people(session, issue.id) if issue.carry_over else 0,
        "cut_at": issue.cut_at,
        "done_at": issue.done_at,
    }
