"""`syndicate partners` as a publisher types it: a token shown once, pulls listed, keys rotated and taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication.cli.main import main
from syndication.ledger.db import Database
from syndication.publishing import publish
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry, new_entry, publication  # noqa: F401  # fixtures

BASE = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(
    db: Database,
    tmp_path: Path,
    publication: int,  # noqa: F811  # the fixture, by its name
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.setenv("SYNDICATION_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("SYNDICATION_DATABASE_URL", db.url)
    monkeypatch.setenv("SYNDICATION_BASE_URL", BASE)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["partners", *arguments])
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def said(done: Done) -> object:
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def test_from_the_first_day_to_the_last(db: Database, run: Run, new_entry: NewEntry, tmp_path: Path) -> None:  # noqa: F811
    publish(db, BASE, [new_entry("one")])
    made = said(run("add", "Gazette", "--series", "ferries", "--licence", "With credit.", "--json"))
    assert isinstance(made, dict)
    token = made["token"]
    assert (made["name"], made["series"], made["licence"]) == ("Gazette", ["ferries"], "With credit.")
    told = run("add", "Herald").stdout
    assert "shown this once" in told
    assert f"{BASE}/partners/docs" in told

    wiring = Wiring(Settings(data_dir=tmp_path / "var", database_url=db.url, secret_keys="k" * 32), BASE, "")
    wiring.__dict__["db"] = db
    with TestClient(create_app(wiring), base_url=BASE) as site:

        def pull(key: str, path: str = "entries") -> int:
            return site.get(f"/partners/v1/{path}", headers={"Authorization": f"Bearer {key}"}).status_code

        assert pull(token) == pull(token, "feed.rss") == 200
        assert pull(token, "feed.doc") == 404
        fresh = said(run("rotate", "Gazette", "--keep-old-hours", "1", "--json"))
        assert isinstance(fresh, dict)
        assert pull(token) == pull(fresh["token"]) == 200
        address = run("capability", "Gazette").stdout.splitlines()[0]
        assert site.get(address).status_code == 200
        assert "no capability address" in run("capability", "Gazette", "--off").stdout
        assert site.get(address).status_code == 401
        assert "/partners/c/" in run("capability", "Gazette").stdout
        ended = said(run("revoke", "Gazette", "--json"))
        assert isinstance(ended, dict)
        assert ended["revoked_at"]
        assert not ended["capability"]
        assert pull(token) == pull(fresh["token"]) == 401

    listed = said(run("pulls", "Gazette", "--json"))
    assert isinstance(listed, list)
    assert [(p["what"], p["status"], p["texts"]) for p in listed][-3:] == [
        ("feed", 404, 0),
        ("rss", 200, 1),
        ("entries", 200, 1),
    ]
    assert listed[-1]["revisions"] == [1]
    assert said(run("pulls", "--limit", "1", "--json")) == listed[:1]
    assert said(run("show", "Gazette", "--limit", "2", "--json"))["pulls"] == listed[:2]  # type: ignore[index]
    records = {r["name"]: r for r in said(run("list", "--json"))}  # type: ignore[attr-defined]
    assert records["Herald"]["series"] == ["all"]
    assert records["Herald"]["last_pull"] is None
    assert records["Gazette"]["last_pull"] == listed[0]["at"]
    everything = "".join(run(*words).stdout for words in (["list"], ["show", "Gazette"], ["pulls"]))
    for secret in (token, fresh["token"], address.split("/")[5]):
        assert secret not in everything
        assert secret not in json.dumps([listed, records])


@pytest.mark.sqlite_only
def test_what_cannot_be_done_is_said_with_a_remedy(run: Run) -> None:
    for arguments, words in (
        (["show", "Nobody"], "there are: none yet"),
        (["add", "X", "--series", "ferrys"], "did you mean ferries"),
        (["add", "7"], "name the site"),
    ):
        done = run(*arguments)
        assert done.status == 1
        assert done.stdout == ""
        assert words in done.stderr
    run("add", "X")
    run("revoke", "X")
    assert "add the partner anew" in run("rotate", "X").stderr
    assert "already" in run("add", "X").stderr
