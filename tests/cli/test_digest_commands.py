"""`syndicate digest` and `syndicate why` as a person types them, with no worker about."""

from __future__ import annotations

import csv
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


def test_watch_tells_how_it_gets_on_and_ends_with_the_issue(db: Database, run: Run) -> None:
    seen = json.loads(run("digest", "watch", "1", "--json").stdout)
    assert (seen["waiting"], seen["over"], seen["counts"]["pending"]) == (3, False, 3)
    assert "0 of 3 settled" in run("digest", "watch", "1").stdout
    run("digest", "cancel", "1")
    (line,) = run("digest", "watch", "1", "--json", "--follow").stdout.splitlines()
    assert json.loads(line)["over"]


def test_the_report_as_csv_as_a_page_and_who_has_a_cancelled_issue(db: Database, run: Run, tmp_path: Path) -> None:
    with db.transaction() as session:
        session.execute(
            update(Delivery).where(Delivery.id == 2).values(state="sent", reply="250 ok", sent_at=Delivery.due_at)
        )
    have = tmp_path / "have.csv"
    told = run("digest", "cancel", "1", "--csv", str(have)).stdout
    assert "Issue 1 is cancelled: 1 have it, 0 wait for it." in told
    (row,) = csv.DictReader(have.open(encoding="utf-8"))
    assert (row["address"], row["state"], row["meaning"]) == ("p2@example.org", "sent", "accepted")
    assert run("digest", "report", "1", "--csv", "-").stdout.count("cancelled,") == 2
    page = tmp_path / "report.html"
    assert run("digest", "report", "1", "--html", str(page)).returncode == 0
    assert "cancelled <b>2</b>" in page.read_text("utf-8")
    assert "example.org" in run("digest", "report", "1").stdout
    assert json.loads(run("digest", "report", "1", "--json").stdout)["domains"] == [
        ["example.org", {"cancelled": 2, "sent": 1}]
    ]
    refused = run("digest", "report", "1", "--csv", "-", "--state", "bounced")
    assert refused.returncode == 1
    assert "no state of a delivery" in refused.stderr


def test_a_cancelled_issue_goes_with_the_next_one(run: Run) -> None:
    assert "3 get what it held with their next digest." in run("digest", "cancel", "1", "--carry-over").stdout
    again = json.loads(run("digest", "cut", "--now", "--json").stdout)[0]
    assert (again["sent"], json.loads(run("digest", "list", "--json").stdout)[1]["carried_over"]) == (3, 3)
