"""The connection's promises: commit rings, rollback does not, readers change nothing."""

from __future__ import annotations

import pytest

from syndication.ledger.db import Database, ring_after_commit
from syndication.ledger.operations import Fact


def test_hints_ring_once_and_only_after_the_commit(db: Database) -> None:
    rung: list[tuple[object, ...]] = []
    db.ring = lambda name, *args: rung.append((name, *args))
    with db.transaction() as session:
        ring_after_commit(session, "mail.send_due", 7)
        ring_after_commit(session, "mail.send_due", 7)
        assert rung == []
    assert rung == [("mail.send_due", 7)]


def test_a_rollback_rings_nothing_and_keeps_nothing(db: Database) -> None:
    rung: list[str] = []
    db.ring = lambda name, *_: rung.append(name)

    def fail_half_way() -> None:
        with db.transaction() as session:
            session.add(Fact(name="a", value="b"))
            ring_after_commit(session, "mail.send_due", 7)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert rung == []
    with db.reading() as session:
        assert session.get(Fact, "a") is None


def test_what_a_reader_changes_is_not_kept(db: Database) -> None:
    with db.reading() as session:
        session.add(Fact(name="a", value="b"))
        session.flush()
    with db.reading() as session:
        assert session.get(Fact, "a") is None
