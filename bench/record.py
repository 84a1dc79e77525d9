"""What all benches share: their flags, and `bench/results/NAME.json` with command, commit, machine, date and figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent


def flags(about: str | None, **meanings: str) -> argparse.Namespace:
    """What the command line asks for: one switch for each of `meanings`."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, meaning in meanings.items():
        options.add_argument(f"--{name}", action="store_true", help=meaning)
    return options.parse_args()


def record(name: str, figures: dict[str, float], *, whole: bool = True) -> Path:
    """`figures`: name → number, the name carrying its unit. Prints a table; gives the file, which a `whole` run writes."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE
    ).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    result = {
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "figures": figures,
    }
    file = HERE / "results" / f"{name}.json"
    if whole:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    width = max(map(len, figures))
    for figure, number in figures.items():
        print(f"{figure:<{width}}  {number:>14,.3f}")
    return file
