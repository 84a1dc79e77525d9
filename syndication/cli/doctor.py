"""`syndicate doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

import typer

from syndication.cli.output import AsJson, emit, say, settings
from syndication.wiring import open_wiring

MARKS = {"good": "  ok  ", "note": " note ", "wrong": "WRONG "}


def doctor(as_json: AsJson = False) -> None:
    """Look at the whole set-up. Ends with 1 where something is wrong."""
    from syndication.doctor import examine

    findings = examine(open_wiring(settings()))
    if as_json:
        emit(findings, True)
    else:
        for f in findings:
            say(f"{MARKS[f.level]} {f.about}: {f.what}" + (f" {f.remedy}" if f.remedy else ""))
    if any(f.level == "wrong" for f in findings):
        raise typer.Exit(1)
