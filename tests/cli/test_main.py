"""The command line from outside: quick help, words instead of traces, JSON alone on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import typer

from syndication import __version__
from syndication.cli.main import COMMANDS


def run(data_dir: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "syndication", *arguments],
        env={**os.environ, "SYNDICATION_DATA_DIR": str(data_dir), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    told = run(tmp_path, "--help").stdout
    assert all(f"  {name} " in told for name in COMMANDS)


def test_the_line_of_a_group_names_its_commands() -> None:
    groups = 0
    for module, attribute, line in COMMANDS.values():
        found = getattr(import_module(f"syndication.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            made = {c.name or c.callback.__name__ for c in found.registered_commands if c.callback}
            assert set(line.partition(": ")[2].rstrip(".").split(", ")) == made, line
            groups += 1
    assert groups == 9


def test_help_imports_no_database() -> None:
    probe = "import sys; from syndication.cli.main import build; build(None); sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], timeout=60).returncode == 0


def test_the_version_needs_no_command(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"{__version__}\n"


def test_init_twice_in_a_path_with_a_space(tmp_path: Path) -> None:
    place = tmp_path / "a place"
    first, second = (json.loads(run(place, "init", "--json").stdout) for _ in range(2))
    assert (first["schema"], second["schema"]) == ("was empty, is current", "was current")
    assert place.stat().st_mode & 0o777 == 0o700


def test_what_is_wrong_is_told_in_words(tmp_path: Path) -> None:
    for arguments in (["publish", "--all"], ["publish", "nobody/nothing"], ["withdraw", "x", "--reason", "y"]):
        ended = run(tmp_path, *arguments)
        assert ended.returncode == 1
        assert ended.stderr.startswith("syndicate: ")
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""


def test_json_stands_alone_on_stdout(tmp_path: Path) -> None:
    ended = run(tmp_path, "entries", "--json", SYNDICATION_LOG_LEVEL="debug")
    assert json.loads(ended.stdout) == []
