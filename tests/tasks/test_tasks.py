"""Hints, tasks and sweeps are the same set; a seat is one process's; a run of sweeps alone does a day's work."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import select

from syndication import clock, publishing, sweeping
from syndication.audience.importing import enrol
from syndication.audience.wishes import Evidence, Form, understand
from syndication.feeds.disclaimers import count_html, count_text
from syndication.hints import QUEUES
from syndication.ledger import presence
from syndication.ledger.content import Entry, Notice, Publication
from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry, new_entry, publication  # noqa: F401  # fixtures

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def tasks_app(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("SYNDICATION_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    from tasks.app import app

    app.loader.import_default_modules()
    return app


def test_every_hint_is_a_task_with_a_queue_and_a_sweep(tasks_app) -> None:  # type: ignore[no-untyped-def]
    ours = {name for name in tasks_app.tasks if not name.startswith("celery.")}
    assert ours == set(QUEUES)
    assert {queue.name for queue in tasks_app.conf.task_queues} == set(QUEUES.values())
    assert set(sweeping.OWED) == set(QUEUES)
    conf = tasks_app.conf
    assert conf.task_time_limit < Settings().lease_seconds < conf.broker_transport_options["visibility_timeout"]


def test_a_seat_is_one_process_s_until_it_runs_out(db: Database) -> None:
    def sits(holder: str) -> bool:
        with db.transaction() as session:
            return presence.take_chair(session, "beat", holder, 10)

    assert sits("a")
    assert not sits("b")
    assert sits("a")
    with clock.shifted(timedelta(seconds=11)):
        assert sits("b")
        assert not sits("a")


def test_sweeps_alone_bring_a_scheduled_entry_into_an_inbox(
    db: Database,
    publication: int,  # noqa: F811
    new_entry: NewEntry,  # noqa: F811
    tmp_path: Path,
) -> None:
    wiring = Wiring(Settings(data_dir=tmp_path, mail_url=f"maildir:{tmp_path / 'out'}"), BASE, "")
    wiring.__dict__["db"] = db
    one = new_entry("one", standfirst="Who pays?")
    with db.transaction() as session:
        owner = session.get_one(Publication, publication)
        wanted = understand(session, owner, Form(email="ana@reader.example", series=("all",), cadence="at-once"))
        enrol(session, owner, wanted, {}, Evidence(via="test"))
        publishing.schedule(session, session.get_one(Entry, one), clock.now() + timedelta(minutes=1))
    sweeping.sweep_all(wiring)
    assert not list((tmp_path / "out").rglob("*.delivery*"))
    with clock.shifted(timedelta(minutes=2)):
        for _ in range(3):
            sweeping.sweep_all(wiring)
    with db.reading() as session:
        assert [d.state for d in session.scalars(select(Delivery))] == ["sent"]
        notice = session.scalars(select(Notice)).one()
    (file,) = [f for f in (tmp_path / "out").rglob("*") if f.is_file()]
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert count_html(html.get_content(), notice.text) == 1
    assert count_text(text.get_content(), notice.text) == 1
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "On one" in text.get_content()
