"""One ledger, one address: who is not told it takes the ledger's, who is told another does not begin, `init` moves all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from syndication.ledger.content import Feed, Publication
from syndication.ledger.db import Database
from tests.embedded.service import new_tree
from tests.warm import warm

pytestmark = pytest.mark.sqlite_only
HOME = "https://news.example"


def run(db: Database, data_dir: Path, *command: str, base: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "SYNDICATION_DATA_DIR": str(data_dir), "SYNDICATION_DATABASE_URL": db.url, "SYNDICATION_BASE_URL": base,
    }  # fmt: skip
    python_m = warm() if command[0] == "syndication" else [sys.executable, "-m"]
    root = Path(__file__).parents[2]
    return subprocess.run([*python_m, *command], env=environment, capture_output=True, text=True, timeout=60, cwd=root)


def test_the_address_is_the_ledger_s(db: Database, tmp_path: Path) -> None:
    tree = new_tree(tmp_path / "tree")
    (tree / "boats/next.md").write_text("---\ntitle: The next boat\n---\nIt is late too.")
    assert run(db, tmp_path, "syndication", "import", str(tree), base=HOME).returncode == 0
    assert run(db, tmp_path, "syndication", "publish", "slow", base=HOME).returncode == 0
    assert run(db, tmp_path, "syndication", "publish", "next").returncode == 0  # on a host where nobody said it
    with db.reading() as session:
        feeds = session.scalars(select(Feed)).all()
        assert {feed.rendered_seq == feed.wanted_seq for feed in feeds} == {True}
        assert session.scalars(select(Publication.base_url)).one() == HOME

    refused = run(db, tmp_path, "celery", "-A", "tasks.app", "worker", base="https://elsewhere.example")
    assert refused.returncode == 78
    assert f"the feeds were made for {HOME}" in refused.stderr
    told = run(db, tmp_path, "syndication", "doctor", "--json", base="https://elsewhere.example").stdout
    assert "base address" in {f["about"] for f in json.loads(told) if f["level"] == "wrong"}

    assert run(db, tmp_path, "syndication", "init").returncode == 0  # says no address, so it moves nothing
    with db.reading() as session:
        assert session.scalars(select(Publication.base_url)).one() == HOME
    assert run(db, tmp_path, "syndication", "init", base="https://elsewhere.example").returncode == 0
    with db.reading() as session:
        assert session.scalars(select(Publication.base_url)).one() == "https://elsewhere.example"
        assert all(feed.rendered_seq < feed.wanted_seq for feed in session.scalars(select(Feed)))
