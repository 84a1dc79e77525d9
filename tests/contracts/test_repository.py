"""The repository proves its own claims: settings documented, the wheel whole, no file a drawer, queues known."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from syndication.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `SYNDICATION_([A-Z_]+)` \| (.*?) \|", text, re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        assert rows[name.upper()] == default, name


def test_the_wheel_has_templates_migrations_and_every_package(tmp_path: Path) -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {str(f.parent.relative_to(ROOT)).replace("/", ".") for f in (ROOT / "syndication").rglob("__init__.py")}
    assert listed == found | {"syndication.templates", "tasks"}
    subprocess.run(
        [sys.executable, "-c", "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in (ROOT / "templates").rglob("*"):
        if file.is_file():
            assert f"syndication/templates/{file.relative_to(ROOT / 'templates')}" in names
    assert "syndication/ledger/migrations/versions/0001_initial.py" in names
    assert "tasks/app.py" in names


def test_no_file_is_a_drawer() -> None:
    lengths = {
        f: len(f.read_text("utf-8").splitlines()) for d in ("syndication", "tasks") for f in (ROOT / d).rglob("*.py")
    }
    assert {str(f): n for f, n in lengths.items() if n > 350 and "versions" not in str(f)} == {}
    assert not [f for f in lengths if f.stem in ("utils", "helpers", "manager", "service")]


def test_every_command_of_the_readme_exists() -> None:
    from syndication.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text("utf-8")
    assert set(re.findall(r"(?:bin/)?syndicate ([a-z]+)", text)) <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", text)) <= targets


def test_every_command_of_the_table_can_be_imported() -> None:
    from importlib import import_module

    from syndication.cli.main import COMMANDS

    for module, attribute, _ in COMMANDS.values():
        assert getattr(import_module(f"syndication.cli.{module}"), attribute)


def test_every_requirement_of_websub_names_a_test_that_is_there() -> None:
    rows = re.findall(r"^\| .*? \| [\d., ]+ \| (\S+) \|$", (ROOT / "docs/websub.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 15
    for named in rows:
        file, _, test = named.rpartition("::")
        text = (ROOT / (file or "tests/push/test_hub.py")).read_text("utf-8")
        assert re.search(rf"^def {test}\(", text, re.MULTILINE), named


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports them by their bare names: the second of two would not be collected."""
    names = [f.name for f in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
