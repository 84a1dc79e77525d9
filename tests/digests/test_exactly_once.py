"""Guarantee 3 as a machine: whatever people and editors do, and whenever the ticks come, each follower ends up with each
entry exactly once, and the equation holds after every step."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from collections import Counter
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from digest_world import EVERYTHING, World, freeze_owed
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.digests import issues
from syndication.digests.repoint import repoint
from syndication.ledger import carrying
from syndication.ledger.db import Database
from syndication.ledger.tables import (
    Base,
    Delivery,
    EditionEntry,
    Entry,
    Publication,
    Revision,
    SeriesStart,
    Subscriber,
    Subscription,
)

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
CADENCES = ("at-once", "daily", "weekly")
PEOPLE = 6
SCOPES = st.integers(0, 3)  # 0: all, else the nth series
BEFORE_A_CHANGE = (
    datetime(2026, 3, 6, 21, 0, tzinfo=UTC),  # New York goes forward on 8 March
    datetime(2026, 3, 27, 22, 0, tzinfo=UTC),  # Berlin goes forward on 29 March
    datetime(2026, 10, 23, 20, 0, tzinfo=UTC),  # Berlin goes back on 25 October
    datetime(2026, 10, 30, 20, 0, tzinfo=UTC),  # New York goes back on 1 November
)
_template: list[Path] = []


class Killed(Exception):
    """The process ends after a commit."""


def empty_ledger(directory: str) -> Database:
    """A copy of one that was made before; no fsync, since nothing here survives the process."""
    if not _template:
        made = Path(tempfile.mkdtemp()) / "template.sqlite3"
        database = Database(f"sqlite:///{made}")
        Base.metadata.create_all(database.engine)
        database.close()
        _template.append(made)
    file = Path(directory) / "ledger.sqlite3"
    shutil.copy(_template[0], file)
    database = Database(f"sqlite:///{file}")
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return database


class ExactlyOnce(RuleBasedStateMachine):
    """`must` is the model: the entries that each person has to have in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.db = empty_ledger(self.directory.name)
        self.must: dict[int, set[int]] = {}
        self.entries: dict[int, int] = {}  # entry → series number 1…3
        self.withdrawn: set[int] = set()
        self.stood: dict[tuple[int, int], int] = {}  # (person, scope) → cursor after the step before
        self.planned: list[tuple[datetime, int]] = []

    @initialize(start=st.sampled_from(BEFORE_A_CHANGE), hour=st.sampled_from(["07:00", "02:30", "01:30"]))
    def begin(self, start: datetime, hour: str) -> None:
        self.now = start
        with clock.frozen(start):
            self.world = World(self.db)
        with self.db.transaction() as session:
            publication = session.get_one(Publication, self.world.publication)
            publication.daily_at, publication.weekly_on = hour, "sunday"
        with clock.frozen(start):
            for scope, cadence in ((0, "daily"), (1, "at-once"), (1, "weekly")):
                self._new_person(scope, cadence, ZONES[0])

    # -- what people do

    @precondition(lambda self: len(self.must) < PEOPLE)
    @rule(scope=SCOPES, cadence=st.sampled_from(CADENCES), zone=st.sampled_from(ZONES))
    def subscribe(self, scope: int, cadence: str, zone: str) -> None:
        with clock.frozen(self.now):
            self._new_person(scope, cadence, zone)

    @rule(pick=st.integers(0, 5), scope=SCOPES, cadence=st.sampled_from(CADENCES))
    def follow_too(self, pick: int, scope: int, cadence: str) -> None:
        """A new wish inherits the cursor that covers it; an ended one begins at the present number."""
        who = self._person(pick)
        with clock.frozen(self.now), self.db.transaction() as session:
            wishes = self._wishes(session, who)
            series_id = self._series(scope)
            everything = wishes.get(EVERYTHING)
            seq = session.get_one(Publication, self.world.publication).seq
            mine = wishes.get(series_id)
            if mine is None:
                mine = Subscription(
                    subscriber_id=who, timezone=session.get_one(Subscriber, who).timezone, series_id=series_id or None,
                    scope=series_id, cadence=cadence, state="asked", cursor=0, shields=False, asked_at=self.now,
                )  # fmt: skip
                session.add(mine)
            if mine.state == "active":
                return
            mine.cadence, mine.state, mine.active_at = cadence, "active", self.now
            mine.cursor = max(mine.cursor, seq)
            if scope:
                if everything is not None and everything.state == "active" and not mine.shields:
                    start = session.get(SeriesStart, (everything.id, series_id))
                    mine.cursor = start.cursor if start else everything.cursor
                    if start:
                        session.delete(start)
                mine.shields = True
            else:
                session.flush()
                for start in session.scalars(select(SeriesStart).where(SeriesStart.subscription_id == mine.id)):
                    session.delete(start)
                for other in wishes.values():
                    if other.state == "ended":
                        other.shields = False

    @rule(pick=st.integers(0, 5), cadence=st.sampled_from(CADENCES))
    def fold_into_all(self, pick: int, cadence: str) -> None:
        """Somebody with `all` gives up their own subscriptions to series and takes these with `all` from then on."""
        who = self._person(pick)
        self.follow_too(who, EVERYTHING, cadence)
        with self.db.transaction() as session:
            wishes = self._wishes(session, who)
            everything = wishes.get(EVERYTHING)
            if everything is None or everything.state != "active":
                return
            seq = session.get_one(Publication, self.world.publication).seq
            for wish in wishes.values():
                if wish.scope and wish.shields:
                    cursor = wish.cursor if wish.state == "active" else seq
                    session.merge(SeriesStart(subscription_id=everything.id, series_id=wish.scope, cursor=cursor))
                    wish.state, wish.shields, wish.ended_at = "ended", False, self.now

    @rule(pick=st.integers(0, 5), scope=SCOPES)
    def end(self, pick: int, scope: int) -> None:
        """What no issue holds for them yet, they will not get."""
        who = self._person(pick)
        with self.db.transaction() as session:
            wish = self._wishes(session, who).get(self._series(scope))
            if wish is None or wish.state != "active":
                return
            wish.state, wish.ended_at = "ended", self.now
            session.flush()
            carrying.drop_unfollowed(session, who)
        held = set(self.world.got(who, "pending", "sent"))
        self.must[who] = {e for e in self.must[who] if e in held or self._follows(who, self.entries[e])}

    @rule(pick=st.integers(0, 5), cadence=st.sampled_from(CADENCES), zone=st.sampled_from(ZONES))
    def change(self, pick: int, cadence: str, zone: str) -> None:
        """Another cadence for all they follow, and perhaps another zone. No cursor moves."""
        who = self._person(pick)
        with self.db.transaction() as session:
            session.get_one(Subscriber, who).timezone = zone
            for wish in self._wishes(session, who).values():
                wish.cadence = cadence

    # -- what editors do

    @rule(series=st.sampled_from([1, 1, 2, 3]))
    def publish(self, series: int) -> None:
        with clock.frozen(self.now):
            entry = self.world.publish(series - 1)
        self.entries[entry] = series
        self._everybody_must(entry)

    @rule(series=st.integers(1, 3), hours=st.integers(1, 60))
    def schedule(self, series: int, hours: int) -> None:
        self.planned.append((self.now + timedelta(hours=hours), series))

    @precondition(lambda self: len(self.entries) > len(self.withdrawn))
    @rule(pick=st.integers(0, 5), again=st.booleans())
    def withdraw(self, pick: int, again: bool) -> None:
        """Who has it keeps it; nobody else gets it, unless it is published `again`."""
        shown = sorted(set(self.entries) - self.withdrawn)
        chosen = shown[pick % len(shown)]
        with self.db.transaction() as session:
            entry = session.get_one(Entry, chosen)
            entry.state = "withdrawn"
            session.flush()
            repoint(session, entry, None)
        self.withdrawn.add(chosen)
        for who, must in self.must.items():
            if chosen in must and chosen not in self.world.got(who, "sent"):
                must.remove(chosen)
        if again:
            self.publish_again(sorted(self.withdrawn).index(chosen))

    @precondition(lambda self: self.withdrawn)
    @rule(pick=st.integers(0, 5))
    def publish_again(self, pick: int) -> None:
        chosen = sorted(self.withdrawn)[pick % len(self.withdrawn)]
        with clock.frozen(self.now):
            self.world.publish(entry=chosen)
        self.withdrawn.remove(chosen)
        self._everybody_must(chosen)

    @precondition(lambda self: len(self.entries) > len(self.withdrawn))
    @rule(pick=st.integers(0, 5))
    def correct(self, pick: int) -> None:
        shown = sorted(set(self.entries) - self.withdrawn)
        with self.db.transaction() as session:
            entry = session.get_one(Entry, shown[pick % len(shown)])
            number = entry.revision.number + 1 if entry.revision else 1
            entry.revision = Revision(
                entry_id=entry.id, number=number, title="t", content={}, source_hash="", created_at=self.now
            )
            session.flush()
            repoint(session, entry, entry.revision)

    @precondition(lambda self: self._open_issues())
    @rule(pick=st.integers(0, 5))
    def cancel_and_carry_over(self, pick: int) -> None:
        """An issue is cancelled, perhaps half frozen, perhaps half sent. Everybody must have what they had to have before, less
        what waited for them in it and they follow no more."""
        going = self._open_issues()
        waited = (
            select(Delivery.subscriber_id, EditionEntry.entry_id)
            .join(EditionEntry, EditionEntry.edition_id == Delivery.edition_id)
            .where(Delivery.issue_id == going[pick % len(going)], Delivery.state == "pending")
        )
        with clock.frozen(self.now), self.db.transaction() as session:
            held = [(who or 0, entry) for who, entry in session.execute(waited)]
            issues.cancel(session, going[pick % len(going)], carry_over=True)
        for who, entry in held:
            if not self._follows(who, self.entries[entry]):
                self.must[who].discard(entry)

    # -- what the workers do

    @rule(
        minutes=st.sampled_from([1, 20, 61, 300, 700, 1445, 4000, 12000]),
        cut=st.sampled_from(["once", "twice", "not"]),
        freeze=st.sampled_from(["whole", "whole", "killed", "not"]),
        send=st.sampled_from(["all", "half", "not"]),
        chunk=st.integers(1, 3),
    )
    def work(self, minutes: int, cut: str, freeze: str, send: str, chunk: int) -> None:
        """Time passes, perhaps more than a week; then come a tick, a freeze that may be killed, and a sender, or none."""
        self.now += timedelta(minutes=minutes)
        for planned in sorted(self.planned):
            if planned[0] <= self.now:
                self.planned.remove(planned)
                self.publish(planned[1])
        with clock.frozen(self.now):
            if cut != "not":
                issues.cut_due(self.db)
            if cut == "twice":
                assert issues.cut_due(self.db) == []
            if freeze == "killed":
                self._freeze_and_die()
            elif freeze == "whole":
                freeze_owed(self.db, chunk=chunk)
                assert freeze_owed(self.db, chunk=chunk) == 0
        if send != "not":
            self._send(step=1 if send == "all" else 2)

    @rule(cadence=st.sampled_from(CADENCES), frozen=st.booleans())
    def cut_by_hand(self, cadence: str, frozen: bool) -> None:
        self.now += timedelta(seconds=1)
        with clock.frozen(self.now):
            made = issues.cut(self.db, cadence, now=True)
            for issue in made if frozen else ():
                issues.freeze(self.db, issue, chunk=2)

    @rule(series=st.integers(1, 3), by_hand=st.booleans())
    def publish_while_it_is_cut(self, series: int, by_hand: bool) -> None:
        """Between the look and the cut comes an entry, and perhaps somebody else's cut of it."""
        mine = vars(self.db)

        def meanwhile() -> AbstractContextManager[Session]:
            del mine["transaction"]
            self.publish(series)
            if by_hand:
                self.cut_by_hand("at-once", False)
            return self.db.transaction()

        self.now += timedelta(minutes=2)
        mine["transaction"] = meanwhile
        with clock.frozen(self.now):
            issues.cut_due(self.db)
        mine.pop("transaction", None)

    def _freeze_and_die(self) -> None:
        """The worker is killed after the first chunk that made a delivery."""

        def die(name: str, *_: object) -> None:
            if name in {"mail.send_due", "mail.send_at_once"}:
                raise Killed

        self.db.ring = die
        try:
            freeze_owed(self.db, chunk=1)
        except Killed:
            pass
        finally:
            self.db.ring = lambda *_: None

    def _send(self, step: int) -> None:
        with self.db.transaction() as session:
            waiting = session.scalars(select(Delivery).where(Delivery.state == "pending").order_by(Delivery.id)).all()
            for delivery in itertools.islice(waiting, 0, None, step):
                delivery.state = "sent"
            session.flush()
            for issue in {delivery.issue_id for delivery in waiting}:
                issues.settle(session, issue or 0)

    # -- what must be true

    @invariant()
    def the_equation_holds(self) -> None:
        self.world.equation()

    @invariant()
    def no_cursor_moves_back(self) -> None:
        stands = {(who, scope): cursor for who in self.must for scope, cursor in self.world.cursors(who).items()}
        assert all(stands[key] >= cursor for key, cursor in self.stood.items()), (self.stood, stands)
        self.stood = stands

    @invariant()
    def nobody_has_anything_twice_or_unasked(self) -> None:
        with self.db.reading() as session:
            query = (
                select(Delivery.subscriber_id, EditionEntry.entry_id)
                .join(EditionEntry, EditionEntry.edition_id == Delivery.edition_id)
                .where(Delivery.state.in_(("pending", "sent")))
            )
            held = Counter((who, entry) for who, entry in session.execute(query))
        assert all(number == 1 for number in held.values()), held
        unasked = [(who, entry) for who, entry in held if entry not in self.must[who or 0]]
        assert not unasked, unasked

    def teardown(self) -> None:
        """Whatever happened: after nine days of ticks everybody has what they must have."""
        try:
            if hasattr(self, "world"):
                self._send(step=1)
                self.publish(1)  # at once, what was carried over waits for the next entry, of whatever series
                for _ in range(9):
                    self.work(minutes=24 * 60, cut="once", freeze="whole", send="all", chunk=3)
                self.the_equation_holds()
                for who, must in self.must.items():
                    assert sorted(self.world.got(who, "sent")) == sorted(must), who
                states = {issue.state for issue in self.world.issues()}
                assert states <= {"done", "empty", "cancelled"}, states
        finally:
            self.db.close()
            self.directory.cleanup()

    # -- the model's own means

    def _new_person(self, scope: int, cadence: str, zone: str) -> None:
        self.must[self.world.join(self._series(scope), cadence, zone=zone)] = set()

    def _open_issues(self) -> list[int]:
        return [issue.id for issue in self.world.issues() if issue.state in {"cut", "freezing", "frozen"}]

    def _person(self, pick: int) -> int:
        people = sorted(self.must)
        return people[pick % len(people)]

    def _series(self, number: int) -> int:
        return self.world.series[number - 1] if number else EVERYTHING

    @staticmethod
    def _wishes(session: object, who: int) -> dict[int, Subscription]:
        rows = session.scalars(select(Subscription).where(Subscription.subscriber_id == who))  # type: ignore[attr-defined]
        return {wish.scope: wish for wish in rows}

    def _follows(self, who: int, series: int) -> bool:
        with self.db.reading() as session:
            wishes = self._wishes(session, who)
        own, everything = wishes.get(self._series(series)), wishes.get(EVERYTHING)
        if own is not None and own.state == "active":
            return True
        return everything is not None and everything.state == "active" and not (own is not None and own.shields)

    def _everybody_must(self, entry: int) -> None:
        for who, must in self.must.items():
            if self._follows(who, self.entries[entry]):
                must.add(entry)


ExactlyOnce.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestExactlyOnce = ExactlyOnce.TestCase


@pytest.mark.parametrize("seed", range(10))
def test_long_lives(seed: int) -> None:
    """The same machine over a long random walk: hypothesis favours short ones, and some mistakes need a history."""
    chance = random.Random(seed)
    machine = ExactlyOnce()
    machine.begin(BEFORE_A_CHANGE[seed % len(BEFORE_A_CHANGE)], chance.choice(["07:00", "02:30", "01:30"]))

    def one() -> None:
        pick, scope = chance.randrange(PEOPLE), chance.randrange(4)
        cadence, zone = chance.choice(CADENCES), chance.choice(ZONES)
        shown = len(machine.entries) > len(machine.withdrawn)
        match chance.randrange(17):
            case 0 if len(machine.must) < PEOPLE:
                machine.subscribe(scope, cadence, zone)
            case 1:
                machine.follow_too(pick, scope, cadence)
            case 2:
                machine.fold_into_all(pick, cadence)
            case 3:
                machine.end(pick, scope)
            case 4 | 5:
                machine.change(pick, cadence, zone)
            case 6:
                machine.schedule(scope or 1, chance.randrange(1, 60))
            case 7 if shown:
                machine.withdraw(pick, chance.random() < 0.5)
            case 8 if machine.withdrawn:
                machine.publish_again(pick)
            case 9 if shown:
                machine.correct(pick)
            case 10:
                machine.publish(scope or 1)
            case 11 if machine._open_issues():
                machine.cancel_and_carry_over(pick)
            case 12:
                machine.cut_by_hand(cadence, chance.random() < 0.5)
            case 13:
                machine.publish_while_it_is_cut(scope or 1, chance.random() < 0.5)
            case _:
                machine.work(
                    chance.choice([1, 20, 61, 300, 700, 1445, 4000]),
                    chance.choice(["once", "once", "twice", "not"]),
                    chance.choice(["whole", "whole", "killed", "not"]),
                    chance.choice(["all", "all", "half", "not"]),
                    chance.randrange(1, 4),
                )

    try:
        for _ in range(70):
            one()
            machine.the_equation_holds()
            machine.no_cursor_moves_back()
            machine.nobody_has_anything_twice_or_unasked()
    except BaseException:
        machine.db.close()
        raise
    machine.teardown()
