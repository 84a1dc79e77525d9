"""`syndicate export`: the public side of the service as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, progress, state


def export(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory, or one that an export wrote before.")],
    anew: Annotated[
        bool, typer.Option("--anew", help="Look at every document, not only at what may have changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write pages, feeds, archives, media and their compressed twins as a static tree.

    A web server or an object store can serve it: docs/nginx.conf is a configuration for nginx, and
    DIRECTORY/.syndication/headers.json says the headers of each address. Exported again, only what changed is written, and
    what was withdrawn is removed.
    """
    from syndication.tree.export import export as write

    wiring = state()
    with progress("exporting") as moved:
        done = write(wiring, directory, moved, anew=anew)
    emit(done, as_json)
