"""`syndicate subscribers`: JSON alone on stdout, nothing reckoned from the clock, nobody who left comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from syndication.cli import subscribers
from syndication.ledger.db import Database
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.publishing.conftest import publication  # noqa: F401  # fixture

Run = Callable[..., str]


@pytest.fixture
def run(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    wiring = Wiring(settings=Settings(data_dir=tmp_path, database_url=db.url), base_url="http://x", broker_url="")
    monkeypatch.setitem(wiring.__dict__, "db", db)
    monkeypatch.setattr(subscribers, "state", lambda: wiring)

    def call(app: typer.Typer, *arguments: str) -> str:
        app(list(arguments), standalone_mode=False)
        return capsys.readouterr().out

    return call


def test_in_out_and_erased(run: Run, publication: int, tmp_path: Path) -> None:  # noqa: F811  # the fixture, by its name
    (tmp_path / "p.csv").write_text("address\nanna@example.org\n")
    assert json.loads(run(subscribers.app, "import", str(tmp_path / "p.csv"), "--json"))["added"] == 1
    assert "{" not in run(subscribers.app, "show", "anna@example.org"), "a person reads it"
    shown = run(subscribers.app, "show", "Anna@example.org", "--json")
    assert json.loads(shown)["subscriptions"][0]["series"] == "all"
    assert run(subscribers.app, "show", "anna@example.org", "--json") == shown, "nothing reckoned from the clock"
    assert "anna@example.org,,all,daily" in run(subscribers.app, "export")
    assert json.loads(run(subscribers.app, "list", "--json"))[0]["following"] == ["all daily"]
    run(subscribers.app, "erase", "anna@example.org")
    assert json.loads(run(subscribers.app, "import", str(tmp_path / "p.csv"), "--json"))["suppressed"] == 1
