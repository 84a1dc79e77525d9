"""Tries are counted before the work begins; what fails again and again waits, and holds up nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from syndication import clock
from syndication.ledger import attempts
from syndication.ledger.db import Database
from syndication.ledger.tables import Publication, Series


def tried(db: Database, *works: str) -> list[list[str]]:
    return list(attempts.in_turn(db, works))


def test_fresh_work_goes_together_and_what_did_not_finish_goes_alone(db: Database) -> None:
    assert tried(db, "a:1", "a:2") == [["a:1", "a:2"]]
    with db.transaction() as session:
        attempts.finished(session, ["a:2"])
    assert tried(db, "a:1", "a:2", "a:3") == [["a:2", "a:3"], ["a:1"]]


def test_the_third_try_is_followed_by_a_pause_that_grows(db: Database) -> None:
    waited = timedelta(0)
    for _ in range(attempts.HELD_FROM):
        assert tried(db, "a:1") == [["a:1"]]
    for pause in (*attempts.PAUSES, attempts.PAUSES[-1]):
        with clock.shifted(waited + pause - timedelta(seconds=30)):
            assert tried(db, "a:1") == []
        waited += pause + timedelta(seconds=1)
        with clock.shifted(waited):
            assert tried(db, "a:1") == [["a:1"]]


def test_the_least_tried_comes_first(db: Database) -> None:
    tried(db, "a:1")
    tried(db, "a:1")
    tried(db, "a:2")
    assert tried(db, "a:1", "a:2") == [["a:2"], ["a:1"]]


def test_a_reason_is_kept_until_the_next_try(db: Database) -> None:
    tried(db, "a:1")
    with db.transaction() as session:
        attempts.failed(session, "a:1", "no template")
    with db.reading() as session:
        assert attempts.unfinished(session, ["a:1"])["a:1"].reason == "no template"
    tried(db, "a:1")
    with db.reading() as session:
        assert attempts.unfinished(session, ["a:1"])["a:1"].reason == ""


@pytest.fixture
def two_series(db: Database) -> None:
    """With ids 1 and 2."""
    with db.transaction() as session:
        owner = Publication(
            slug="p", name="P", url="https://p.example", language="en", timezone="UTC", mail_from="p@p.example",
            tag_authority="p.example", tag_date="2026", created_at=clock.now(),
        )  # fmt: skip
        session.add(owner)
        session.flush()
        for slug in ("a", "b"):
            session.add(Series(publication_id=owner.id, slug=slug, title=slug, created_at=clock.now()))


def test_a_query_leaves_out_what_waits(db: Database, two_series: None) -> None:
    for _ in range(attempts.HELD_FROM):
        tried(db, attempts.named("series", 1))
    with db.reading() as session:
        assert list(session.scalars(select(Series.slug).where(~attempts.waits(session, "series", Series.id)))) == ["b"]


def test_a_query_finds_what_came_to_nothing(db: Database, two_series: None) -> None:
    def refused() -> list[str]:
        with db.reading() as session:
            return list(session.scalars(select(Series.slug).where(attempts.refused(session, "series", Series.id))))

    tried(db, "series:1", "series:2")
    assert refused() == []  # under way
    with db.transaction() as session:
        attempts.failed(session, "series:1", "no template")
    assert refused() == ["a"]
    tried(db, "series:2")  # whoever had it died without a word
    assert sorted(refused()) == ["a", "b"]


def test_people_are_told_of_what_was_tried_three_times(db: Database) -> None:
    tried(db, "a:1")
    tried(db, "a:1", "a:2")
    with db.reading() as session:
        assert attempts.held(session) == []
    tried(db, "a:1")
    with db.transaction() as session:
        attempts.failed(session, "a:1", "no template")
        [held] = attempts.held(session)
    assert (held.work, held.tries, held.reason) == ("a:1", 3, "no template")


def test_of_two_that_begin_the_same_at_once_one_gets_it(fresh_postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite they cannot: the second waits before it has looked."""
    db, lease, pause = Database(fresh_postgresql), timedelta(seconds=10), attempts._pause

    def meanwhile(tries: int) -> timedelta:
        monkeypatch.undo()
        with db.transaction() as other:
            assert attempts.begin(other, ["a:1"], lease) == {"a:1": 1}
        return pause(tries)

    monkeypatch.setattr(attempts, "_pause", meanwhile)
    with db.transaction() as session:
        assert attempts.begin(session, ["a:1"], lease) == {}
    db.close()


def test_more_works_than_a_statement_has_parameters(db: Database) -> None:
    works = [attempts.named("publish", number) for number in range(70_000)]
    with db.transaction() as session:
        attempts.begin(session, works[:2])
    with db.reading() as session:
        assert set(attempts.unfinished(session, works)) == set(works[:2])
    with db.transaction() as session:
        attempts.finished(session, works)
        assert attempts.unfinished(session, works) == {}


def test_what_is_taken_is_nobody_else_s_until_its_lease_is_over_or_the_try_failed(db: Database) -> None:
    lease = timedelta(seconds=10)

    def taken(*works: str) -> list[str]:
        with db.transaction() as session:
            return sorted(attempts.take(session, works, lease))

    assert taken("a:1", "a:2") == ["a:1", "a:2"]
    assert taken("a:1", "a:2", "a:3") == ["a:3"]
    assert taken("a:1", "a:2", "a:3") == []
    with db.transaction() as session:
        attempts.failed(session, "a:3", "no template")
    assert taken("a:1", "a:2", "a:3") == ["a:3"]
    with clock.shifted(
        lease + timedelta(seconds=1)
    ):  # whoever had them died: each alone, to find out which of them kills
        assert taken("a:1", "a:2") == ["a:1"]
        assert taken("a:1", "a:2") == ["a:2"]
        assert taken("a:1", "a:2") == []
