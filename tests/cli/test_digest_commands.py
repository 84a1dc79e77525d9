"""`syndicate digest` and `syndicate why` as a person types them, with no worker about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery, Edition, EditionEntry, Issue
from syndication.ledger.tables import Subscription

sys.path.insert(0, str(Path(__file__).parents[1] / "mail"))
from mail_world import new_issue

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(db: Database, tmp_path: Path, syndicate: list[str]) -> Run:
    new_issue(db, 3)
    environment = os.environ | {
        "SYNDICATION_DATA_DIR": str(tmp_path / "var"), "SYNDICATION_DATABASE_URL": db.url,
        "SYNDICATION_BASE_URL": "http://127.0.0.1:8000",
    }  # fmt: skip

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*syndicate, *arguments], env=environment, capture_output=True, text=True)

    return run


def test_cut_now_goes_all_the_way_without_a_worker(db: Database, run: Run, tmp_path: Path) -> None:
    with db.transaction() as session:
        for table in (Delivery, EditionEntry, Edition, Issue):
            session.execute(delete(table))
        session.execute(update(Subscription).values(cursor=0))
    (issue,) = json.loads(run("digest", "cut", "--cadence", "daily", "--now", "--json").stdout)
    assert (issue["state"], issue["eligible"], issue["sent"]) == ("done", 3, 3)
    assert len(list((tmp_path / "var/outbox/new").iterdir())) == 3
    answer = json.loads(run("why", "p1@example.org", "ferries/a", "--json").stdout)
    assert answer["verdict"] == "got"


def test_pause_resume_cancel_and_what_is_not_there(run: Run) -> None:
    assert json.loads(run("digest", "pause", "1", "--json").stdout)["state"] == "frozen, paused"
    assert json.loads(run("digest", "resume", "1", "--json").stdout)["state"] == "frozen"
    assert json.loads(run("digest", "cancel", "1", "--json").stdout)["cancelled"] == 3
    assert "cancelled" in run("digest", "list").stdout
    missing = run("digest", "show", "99")
    assert missing.returncode == 1
    assert "syndicate digest list" in missing.stderr


def test_a_trial_sends_one_mail_and_records_nothing(run: Run, tmp_path: Path) -> None:
    told = run("digest", "test", "me@example.org").stdout
    assert told.startswith("sent: [Test] On ferries (one entry) to me@example.org")
    assert "stood in" in told
    assert len(list((tmp_path / "var/outbox/new").iterdir())) == 1
    assert len(json.loads(run("deliveries", "list", "--json").stdout)) == 3
