"""What operators watch: numbers that say whether mail waits, for how long, and who is at work."""

from __future__ import annotations

from datetime import timedelta

from starlette.testclient import TestClient

from syndication import clock
from syndication.ledger import presence
from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery


def numbers(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def test_waiting_mail_and_who_was_seen(client: TestClient, publication: int, db: Database) -> None:
    before = numbers(client)
    assert before["syndication_oldest_due_seconds"] == 0
    assert before["syndication_pushes_waiting"] == 0
    now = clock.now()
    with db.transaction() as session:
        for state, ago in (("pending", 90), ("deferred", 30), ("sent", 900)):
            due = now - timedelta(seconds=ago)
            session.add(
                Delivery(
                    publication_id=publication,
                    kind="transactional",
                    priority=0,
                    state=state,
                    due_at=due,
                    created_at=due,
                )
            )
        presence.note(session, "beat")
    found = numbers(client)
    assert found['syndication_deliveries_waiting{kind="transactional",state="pending"}'] == 1
    assert found['syndication_deliveries_waiting{kind="transactional",state="deferred"}'] == 1
    assert 'syndication_deliveries_waiting{kind="transactional",state="sent"}' not in found
    assert 89 < found["syndication_oldest_due_seconds"] < 300
    assert found['syndication_seen_seconds{kind="beat"}'] < 200
