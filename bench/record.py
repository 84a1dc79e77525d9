"""Writes what a bench measured: `bench/results/NAME.json` with command, commit, machine, date and figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent


def record(name: str, figures: dict[str, float]) -> Path:
    """`figures`: name → number, the name carrying its unit. Prints a table and gives the file."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE
    ).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    result = {
        "command": " ".join(["python", f"bench/{name}.py", *sys.argv[1:]]),
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "figures": figures,
    }
    file = HERE / "results" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    width = max(map(len, figures))
    for figure, number in figures.items():
        print(f"{figure:<{width}}  {number:>14,.3f}")
    return file
