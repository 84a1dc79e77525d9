"""`syndicate doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, settings
from syndication.errors import NeedsHuman, SyndicationError
from syndication.wiring import open_wiring

MARKS = {"good": "  ok  ", "note": " note ", "wrong": "WRONG "}


class Kind(StrEnum):
    worker = "worker"
    beat = "beat"


def doctor(
    here: Annotated[
        Kind | None,
        typer.Option(help="Only: was such a process of this host alive within the last minute? (A health check.)"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at the whole set-up: settings, disk, keys, ledger, clock, workers, beat, broker, relay.

    Each line is ok, note or WRONG, with what to do. Ends with 1 where something is wrong, so that a monitor can run it.
    """
    if here is not None:
        _alive_here(here)
        return
    from syndication.doctor import Finding, examine

    try:
        findings = examine(open_wiring(settings()))
    except SyndicationError as error:
        findings = [Finding("wrong", error.where or "settings", error.what.rstrip(";") + ".", error.remedy)]
    if as_json:
        emit(findings, True)
    else:
        for f in findings:
            say(f"{MARKS[f.level]} {f.about}: {f.what}" + (f" {f.remedy}" if f.remedy else ""))
    if any(f.level == "wrong" for f in findings):
        raise typer.Exit(1)


def _alive_here(kind: Kind) -> None:
    from syndication.ledger import presence

    with open_wiring(settings()).db.reading() as session:
        if not presence.alive_here(session, kind):
            raise NeedsHuman(
                f"no {kind} of this host was seen within a minute;", where="doctor --here", remedy="look at its log."
            )
    say(f"{MARKS['good']} a {kind} of this host is at work.")
