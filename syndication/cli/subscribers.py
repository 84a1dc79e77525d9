"""`syndicate subscribers`: list, show, import, export, end, lift, erase."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from syndication.cli.output import AsJson, emit, progress, say, state

app = typer.Typer(no_args_is_help=True)
COLUMNS = ("address", "name", "language", "timezone", "following")


@app.command("list")
def list_(
    search: Annotated[str, typer.Option(help="Only addresses that contain this.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """People and what they follow, the newest first."""
    from sqlalchemy import select

    from syndication.audience.records import record_of
    from syndication.ledger.tables import Subscriber

    with state().db.reading() as session:
        query = select(Subscriber).order_by(Subscriber.id.desc()).limit(limit)
        if search:
            query = query.where(Subscriber.address.contains(search, autoescape=True))
        rows = []
        for person in session.scalars(query):
            record = record_of(session, person)
            active = [f"{s['series']} {s['cadence']}" for s in record["subscriptions"] if s["state"] == "active"]
            rows.append({**{k: record[k] for k in ("address", "name", "language", "timezone")}, "following": active})
    emit(rows, as_json, columns=COLUMNS)


@app.command()
def show(address: str, as_json: AsJson = False) -> None:
    """One person: consent and subscriptions as they are stored."""
    from syndication.audience.records import record_of

    with state().db.reading() as session:
        record = record_of(session, _person(session, address))
    if as_json:
        emit(record, True)
        return
    emit({k: v for k, v in record.items() if k not in {"subscriptions", "consent"}})
    emit(record["subscriptions"])
    emit(record["consent"])


@app.command("import")
def import_(path: Path, as_json: AsJson = False) -> None:
    """A list of people who agreed elsewhere: CSV, JSON or JSON Lines with a column address. Nobody who left comes back."""
    from syndication.audience.importing import import_people

    wiring = state()
    with progress("people") as bar:
        report = import_people(wiring.db, path, progress=bar)
    if as_json:
        emit(report, True)
    else:
        say(
            f"{report.added} new, {report.changed} with more to follow, {report.unchanged} unchanged, "
            f"{report.suppressed} skipped (they get no mail), {report.unconfirmed} skipped (they never confirmed), "
            f"{report.without_consent} without a word on their consent."
        )
    for failure in report.failures:
        sys.stderr.write(f"{path}, line {failure.line}: {failure.reason} {failure.remedy}\n")
    if report.failures:
        raise SystemExit(1)


@app.command()
def export(as_json: AsJson = False) -> None:
    """Every subscription as a row that import takes, on stdout: CSV, or JSON."""
    from syndication.audience.exporting import export_people
    from syndication.audience.lists import COLUMNS as NAMES
    from syndication.ledger.lookup import the_publication

    with state().db.reading() as session:
        rows = export_people(session, the_publication(session))
        if as_json:
            emit(list(rows), True)
            return
        writer = csv.DictWriter(sys.stdout, NAMES)
        writer.writeheader()
        writer.writerows(rows)


@app.command()
def end(address: str) -> None:
    """No more mail to this address, by the publisher's decision; they cannot ask for it again."""
    from syndication.audience import leaving
    from syndication.audience.wishes import Evidence

    with state().db.transaction() as session:
        leaving.leave(session, _person(session, address), Evidence(via="command line"), reason="manual")
    say(f"{address} gets no more mail.")


@app.command()
def lift(address: str) -> None:
    """Mail may go to this address again, which a relay called invalid or which was ended here. Not for who left."""
    from syndication.audience import leaving
    from syndication.ledger.lookup import the_publication

    with state().db.transaction() as session:
        reason = leaving.allow_again(session, the_publication(session).id, address)
    say(f"{address} may get mail again (it was suppressed: {reason}); what it follows is as it was.")


@app.command()
def erase(address: str) -> None:
    """Delete a person's record; that the address gets no mail is kept as a hash."""
    from syndication.audience import leaving
    from syndication.audience.wishes import Evidence

    with state().db.transaction() as session:
        leaving.erase(session, _person(session, address), Evidence(via="command line"))
    say("The record is erased; the address gets no mail.")


def _person(session: Any, address: str) -> Any:
    from sqlalchemy import select

    from syndication.audience.addresses import key_of
    from syndication.errors import NotFound
    from syndication.ledger.tables import Subscriber

    found = session.scalars(select(Subscriber).where(Subscriber.address_key == key_of(address))).first()
    if found is None:
        raise NotFound(f"nobody here has the address {address!r};", remedy="see `syndicate subscribers list`.")
    return found
