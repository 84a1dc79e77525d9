"""`syndicate import`: documents and trees into drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, progress, say, state


def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", readable=False, help="Files, or trees with publication.toml.")
    ],
    series: Annotated[str | None, typer.Option(help="The series of a lone file; default: the publication's.")] = None,
    as_identity: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="This one file is the entry of that identity.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read documents (.txt, .md, .html) and trees into drafts. Publishes nothing.

    All good files are imported; each bad one is told with file, line, reason and remedy, and the exit status is 1.
    The same import once more changes nothing.
    """
    from syndication.intake.importer import import_paths

    wiring = state()
    with progress("importing") as moved:
        report = import_paths(
            wiring.db, paths, series=series, as_identity=as_identity, settings=wiring.settings, progress=moved
        )
    if as_json:
        emit(report, True)
    else:
        say(f"{len(report.created)} new, {len(report.changed)} changed, {len(report.unchanged)} unchanged")
        if waiting := report.acts("waiting"):
            say(f"{len(waiting)} published: `syndicate correct ENTRY` brings a change out, `discard` drops it.")
        for source, words in report.warnings:
            typer.echo(f"note: {source}: {words}", err=True)
        for failure in report.failures:
            typer.echo(f"{failure.source}: {failure.reason}; {failure.remedy}", err=True)
    if report.failures:
        raise typer.Exit(1)
