"""A slice of outcomes goes into the ledger by one statement; each kind of outcome, and what it must leave alone."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from syndication import clock
from syndication.ledger import claims
from syndication.ledger.claims import Claim, Outcome
from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery, Lease

sys.path.insert(0, str(Path(__file__).parents[1] / "mail"))
from mail_world import new_issue

LADDER = (60, 600)


def leased(db: Database, people: int = 6) -> Claim:
    new_issue(db, people)
    with db.transaction() as session:
        claim = claims.claim(session, host="h", journal="j", size=people, lease_seconds=60, kinds=("digest",))
    assert claim is not None
    return claim


def fold(db: Database, lease: int, *outcomes: Outcome) -> set[int]:
    with db.transaction() as session:
        return claims.fold(session, lease, outcomes, LADDER)


def rows(db: Database) -> dict[int, Delivery]:
    with db.reading() as session:
        return {row.id: row for row in session.scalars(select(Delivery))}


def test_each_outcome_in_one_slice(db: Database) -> None:
    lease = leased(db).lease_id
    later = clock.now() + timedelta(hours=9)
    issues = fold(
        db, lease, Outcome(1, "sent", "250 ok"), Outcome(2, "deferred", "451 later"), Outcome(3, "failed", "550 no"),
        Outcome(4, "unknown", "lost"), Outcome(5, "pending", "blocked", later), Outcome(6, "suppressed", "left"),
    )  # fmt: skip
    found = rows(db)
    assert issues == {found[1].issue_id}
    assert [found[n].state for n in range(1, 7)] == ["sent", "deferred", "failed", "unknown", "pending", "suppressed"]
    assert [found[n].attempts for n in range(1, 7)] == [1, 1, 1, 1, 0, 0]
    assert [found[n].lease_id for n in range(1, 7)] == [None, None, None, lease, None, None]
    assert [found[n].reply for n in range(1, 7)] == ["250 ok", "451 later", "550 no", "lost", "blocked", "left"]
    assert [found[n].sent_at is not None for n in range(1, 7)] == [True] + [False] * 5
    assert found[5].due_at == later
    assert timedelta(seconds=50) < found[2].due_at - found[1].due_at < timedelta(seconds=120)


def test_what_another_lease_carries_or_what_is_settled_is_left_alone(db: Database) -> None:
    lease = leased(db, 3).lease_id
    with db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.id == 1).values(lease_id=999))
        session.execute(update(Delivery).where(Delivery.id == 2).values(state="failed"))
    fold(db, lease, *(Outcome(n, "sent", "250 ok") for n in (1, 2, 3)))
    assert [rows(db)[n].state for n in (1, 2, 3)] == ["sending", "failed", "sent"]


@pytest.mark.parametrize("told", ["sent", "deferred", "failed", "pending"])
def test_a_journal_that_turns_up_late_still_tells_of_an_unknown_one(db: Database, told: str) -> None:
    lease = leased(db, 1).lease_id
    fold(db, lease, Outcome(1, "unknown", "lost"))
    assert rows(db)[1].state == "unknown"
    fold(db, lease, Outcome(1, told, "told"))
    assert (rows(db)[1].state, rows(db)[1].attempts) == (told, 1)
    with db.reading() as session:
        assert session.get(Lease, lease) is None


def test_an_unknown_letter_is_due_again_soon(db: Database) -> None:
    lease = leased(db, 1).lease_id
    with db.transaction() as session:
        session.execute(update(Delivery).values(kind="transactional"))
    fold(db, lease, Outcome(1, "unknown", "lost"))
    found = rows(db)[1]
    assert (found.state, found.attempts, found.lease_id) == ("pending", 1, None)
    assert found.due_at > clock.now()
