"""`syndicate feeds` as a publisher types it, and `[[feeds]]` of a tree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from syndication.cli.main import main
from syndication.ledger.content import Feed
from syndication.ledger.db import Database
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring

BASE = "http://127.0.0.1:8000"
SEEDS = Path(__file__).parents[2] / "seeds"
pytestmark = pytest.mark.sqlite_only
Run = Callable[..., str]


@pytest.fixture
def run(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What a command says; where it ends with 1, what it complains of."""
    monkeypatch.setenv("SYNDICATION_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SYNDICATION_DATABASE_URL", db.url)
    monkeypatch.setenv("SYNDICATION_BASE_URL", BASE)

    def ran(*arguments: str) -> str:
        try:
            main(list(arguments))
        except SystemExit as left:
            if left.code:
                return capsys.readouterr().err
        return capsys.readouterr().out

    return ran


@pytest.fixture
def tree(tmp_path: Path, run: Run) -> Path:
    return Path(shutil.copytree(SEEDS, tmp_path / "tree"))


def client(db: Database, tmp_path: Path) -> TestClient:
    made = Wiring(settings=Settings(data_dir=tmp_path, database_url=db.url), base_url=BASE, broker_url="")
    made.__dict__["db"] = db
    return TestClient(create_app(made), base_url=BASE)


def test_a_private_feed_from_its_making_to_its_end(db: Database, tmp_path: Path, run: Run, tree: Path) -> None:
    run("import", str(tree))
    run("publish", "--all", "--no-mail")
    made = json.loads(
        run(
            "feeds",
            "add",
            "board",
            "--title",
            "The board",
            "--series",
            "slow-crossings",
            "--private",
            "--standfirst",
            "--json",
        )
    )
    with db.reading() as session:
        row = session.scalars(select(Feed).where(Feed.name == "board")).one()
        assert row.token_hash is not None
        assert made["token"] not in row.token_hash
    listed = {row["name"]: row for row in json.loads(run("feeds", "list", "--json"))}
    assert listed["board"]["entries"] >= 2
    assert listed["board"]["address"] == made["address"] == f"{BASE}/feeds/private/board.atom"
    assert {row["kind"] for row in listed.values()} == {"all", "series", "mark", "named"}
    with client(db, tmp_path) as web:
        assert web.get(made["secret_address"]).status_code == 200
        newer = json.loads(run("feeds", "token", "board", "--json"))
        assert web.get(made["secret_address"]).status_code == 404
        assert "The board" in web.get(newer["secret_address"]).text
        assert "410" in run("feeds", "end", "board")
        assert web.get(newer["secret_address"]).status_code == 410


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("add", "slow-crossings", "--title", "X"), "there is a series 'slow-crossings'"),
        (("add", "by.me", "--title", "X"), "cannot be the name of a feed"),
        (("add", "x", "--title", "X", "--series", "slow-crosings"), "there are: slow-crossings"),
        (("add", "x", "--title", "X", "--order", "size"), "say date or part"),
        (("end", "al"), "there are: all"),
        (("end", "all"), "cannot end"),
        (("token", "all"), "is public"),
        (("end", "slow-crossings", "--moved-to", "nowhere"), "there are: "),
        (("list", "--kind", "x"), "is no kind of feed"),
        (("check", "--base-url", "new.example"), "--base-url: 'new.example' is no base address"),
    ],
)
def test_what_cannot_be_is_said(run: Run, tree: Path, arguments: tuple[str, ...], complaint: str) -> None:
    run("import", str(tree))
    assert complaint in run("feeds", *arguments)


def test_a_tree_names_its_feeds(db: Database, tmp_path: Path, run: Run, tree: Path) -> None:
    file = tree / "publication.toml"
    before = file.read_text()
    file.write_text(
        before + '\n[[feeds]]\nname = "start"\ntitle = "From the start"\nseries = ["slow-crossings"]\norder = "part"\n'
    )
    run("import", str(tree))
    run("publish", "--all", "--no-mail")
    listed = {row["name"]: row for row in json.loads(run("feeds", "list", "--kind", "named", "--json"))}
    assert listed["start"]["title"] == "From the start"
    for wrong, complaint in (
        ('series = ["nowhere"]', "there is no series 'nowhere'"),
        ("newest = 0", "cannot show 0 entries"),
        ("newst = 3", "newest"),
    ):
        file.write_text(f'{before}\n[[feeds]]\nname = "start"\ntitle = "X"\n{wrong}\n')
        assert complaint in run("import", str(tree))
    file.write_text(f'{before}\n[[feeds]]\nname = "slow-crossings"\ntitle = "X"\n')
    assert "is a series" in run("import", str(tree))


def test_a_series_cannot_take_the_name_of_a_feed(run: Run, tree: Path) -> None:
    run("import", str(tree))
    run("feeds", "add", "tides", "--title", "Tides")
    (tree / "tides").mkdir()
    (tree / "tides" / "series.toml").write_text('title = "Tides"')
    assert "there is a feed 'tides' already" in run("import", str(tree))


def test_feeds_are_looked_at(run: Run, tree: Path) -> None:
    run("import", str(tree))
    run("publish", "--all", "--no-mail")
    assert json.loads(run("feeds", "lint", "--json")) == []
    assert run("feeds", "lint", "all") == "1 feeds, 7 entries: no fault.\n"
    assert "there is no feed 'al'" in run("readers", "al")
    assert run("feeds", "check").startswith("0 items will reappear")
    assert json.loads(run("feeds", "check", "--base-url", "https://new.example", "--json"))["reappear"] == []
    [change] = json.loads(run("feeds", "diff", "slow-crossings", "--json"))
    assert change["why"] == ["it is new"]
    assert "lead to all (301)" in run("feeds", "end", "slow-crossings", "--moved-to", "all")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bridge", "slow-crossings/the-bridge-that-waits?"),
        ("nigth-train", "slow-crossings/night-train?"),
        ("slow-crosings/night-train", "slow-crossings/night-train"),
        ("nonsense", "living-with-water/"),
    ],
)
def test_a_name_that_is_nearly_one_is_understood(run: Run, tree: Path, typed: str, meant: str) -> None:
    run("import", str(tree))
    assert f"did you mean {meant}" in run("publish", typed)


def test_a_series_and_an_entry_are_renamed(db: Database, tmp_path: Path, run: Run, tree: Path) -> None:
    run("import", str(tree))
    run("publish", "--all", "--no-mail")
    assert run("feeds", "check", "--series", "slow-crossings=night-boats").startswith("0 items will reappear")
    assert "there is no series" in run("feeds", "check", "--series", "nothing=else")
    assert "OLD=NEW" in run("feeds", "check", "--series", "slow-crossings")
    assert "lead to night-boats" in run("series", "rename", "slow-crossings", "night-boats")
    assert "leads to /series/night-boats/costs/" in run("rename", "slow-crossings/what-a-crossing-costs", "costs")
    assert run("feeds", "check").startswith("0 items will reappear")
    listed = {row["slug"]: row for row in json.loads(run("series", "list", "--json"))}
    assert listed["night-boats"]["formerly"] == ["slow-crossings"]
    assert listed["night-boats"]["entries"] >= 2
    assert json.loads(run("feeds", "lint", "--json")) == []
    with client(db, tmp_path) as web:
        assert web.get("/feeds/slow-crossings.atom", follow_redirects=False).status_code == 301
        followed = web.get("/series/slow-crossings/what-a-crossing-costs/")
        assert (followed.status_code, followed.url.path) == (200, "/series/night-boats/costs/")
    assert "cannot be the slug" in run("series", "rename", "night-boats", "Night Boats")
