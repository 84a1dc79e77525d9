"""`syndicate doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

import typer

from syndication.cli.output import AsJson, emit, say, settings
from syndication.errors import SyndicationError
from syndication.wiring import open_wiring

MARKS = {"good": "  ok  ", "note": " note ", "wrong": "WRONG "}


def doctor(as_json: AsJson = False) -> None:
    """Look at the whole set-up: settings, disk, keys, ledger, clock, workers, beat, broker, relay.

    Each line is ok, note or WRONG, with what to do. Ends with 1 where something is wrong, so that a monitor can run it.
    """
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
