"""A relay's limits by second, hour and day, and its warm-up: as the ledger counts them, and through the sender over days."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mail_world import ScriptedRelay
from sqlalchemy import select
from test_fleet import NOWHERE, relays, sent, service

from syndication import clock
from syndication.doctor import examine
from syndication.ledger import relay_use
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.mailings import Delivery
from syndication.ledger.relay_use import Limits, give_back, take
from syndication.mail import fleet
from syndication.mail.fleet import Member, Metered, way_out
from syndication.mail.sender import send_due
from syndication.mail.smtp import Relay
from syndication.mail.transport import Answer, Parcel, Receipt
from syndication.settings import RelaySettings

__all__ = ["relays"]


def test_a_warm_up_grows_by_the_days_since_the_first_use(db: Database) -> None:
    limits = Limits(per_day=40, warmup=(5, 10))
    got = []
    for days in (0, 1, 2, 3):
        with clock.shifted(timedelta(days=days)), db.transaction() as session:
            got.append(take(session, "one", limits, 100).messages)
    assert got == [5, 10, 40, 40]


def test_hours_and_days_begin_anew_and_say_when(db: Database) -> None:
    limits = Limits(per_hour=3, per_day=5)
    with db.reading() as session:
        start = ledger_now(session).replace(hour=10, minute=59, second=0, microsecond=0) + timedelta(days=1)

    def at(moment: datetime) -> tuple[int, datetime | None]:
        with clock.shifted(moment - clock.now()), db.transaction() as session:
            share = take(session, "one", limits, 100)
        return share.messages, share.again_at

    assert at(start) == (3, None)
    assert at(start + timedelta(seconds=10)) == (0, start + timedelta(minutes=1))
    assert at(start + timedelta(minutes=2)) == (2, None)
    assert at(start + timedelta(hours=2)) == (0, start.replace(hour=0, minute=0) + timedelta(days=1))
    assert at(start + timedelta(hours=14)) == (3, None)


def test_seconds_are_shared_as_time(db: Database) -> None:
    limits = Limits(per_second=8)
    waits = []
    for _ in range(5):
        with db.transaction() as session:
            share = take(session, "one", limits, 100)
        assert share.messages == 2
        waits.append(share.in_seconds)
    assert 0.7 < waits[-1] <= 1.0, "the fifth pair goes a second after the first"


def test_what_did_not_go_is_given_back(db: Database) -> None:
    with db.transaction() as session:
        take(session, "one", Limits(per_day=10), 8)
        give_back(session, "one", 5)
    with db.transaction() as session:
        assert relay_use.take(session, "one", Limits(per_day=10), 100).messages == 7


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept for a relay's seconds; nobody really does."""
    slept: list[float] = []
    monkeypatch.setattr(fleet.time, "sleep", slept.append)
    return slept


def test_nobody_waits_for_a_relays_second_longer_than_there_is_time(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay], naps: list[float]
) -> None:
    """A task that sleeps is killed with the answers unread."""
    wiring = service(tmp_path, db_url, RelaySettings(url=relays[0].url, per_second=0.01))
    send_due(wiring, way_out(wiring))
    assert (sent(wiring), max(naps)) == (1, 0.0)
    with wiring.db.reading() as session:
        waits = session.scalars(select(Delivery.due_at).where(Delivery.state == "pending")).all()
        assert max(waits) > ledger_now(session) + timedelta(seconds=60)
    with clock.shifted(timedelta(seconds=101)):
        send_due(wiring, way_out(wiring))
    assert sent(wiring) == 2


def test_mail_goes_at_the_relays_rate(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay], naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[relay_use.Share] = []

    def watched(*arguments: object) -> relay_use.Share:
        shares.append(take(*arguments))  # type: ignore[arg-type]
        return shares[-1]

    monkeypatch.setattr(relay_use, "take", watched)
    wiring = service(tmp_path, db_url, RelaySettings(url=relays[0].url, per_second=8))
    with clock.frozen(clock.now()):
        send_due(wiring, way_out(wiring))
    assert sent(wiring) == 20
    taken = [(share.messages, share.in_seconds) for share in shares]
    assert taken[:10] == [(2, pytest.approx(number / 4, abs=0.1)) for number in range(10)]


def test_a_warm_up_over_days_through_the_sender(tmp_path: Path, db_url: str, relays: list[ScriptedRelay]) -> None:
    one, two = relays
    wiring = service(
        tmp_path, db_url, RelaySettings(url=one.url, warmup=(2, 3)), RelaySettings(url=two.url, per_day=4)
    )  # fmt: skip
    went = []
    for days in range(3):
        with clock.shifted(timedelta(days=days)):
            for _ in range(2):
                send_due(wiring, way_out(wiring))
        went.append((len(one.received), len(two.received)))
    assert went == [(2, 4), (5, 8), (12, 8)]
    assert Counter(recipient for relay in relays for recipient, _ in relay.received).most_common(1)[0][1] == 1


class _Endless:
    """An `Outgoing` that always has one more."""

    def __init__(self) -> None:
        self.told: list[Answer] = []
        self._made = 0

    def next(self, most: int) -> Sequence[Parcel]:
        self._made += most
        return [Parcel(f"{self._made - n}.x", "a@b", "c@d", b"") for n in range(most)]

    def takes_time(self, most: int) -> bool:
        return False

    def going(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        return [True] * len(parcels)

    def done(self, answers: Sequence[Answer]) -> None:
        self.told += answers


def test_answers_are_heard_before_one_waits_for_the_next_second(db: Database, naps: list[float]) -> None:
    outgoing = _Endless()
    member = Member("one", Limits(per_second=8), Relay(NOWHERE, timeout=1))
    metered = Metered(outgoing, db, member, deque(), ends=fleet.time.monotonic() + 60, last=True)
    first = metered.next(10)
    assert len(first) == 2
    assert metered.next(10) == (), "its second has not come, and two answers are owed"
    assert max(naps) == 0.0
    metered.done([(parcel, Receipt("sent", "250 ok")) for parcel in first])
    assert len(metered.next(10)) == 2
    assert 0.0 < max(naps) <= 0.25


def test_a_relay_that_has_had_its_share_is_a_note_and_nothing_to_mend(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    wiring = service(tmp_path, db_url, RelaySettings(url=relays[0].url, per_day=4, name="one"))
    send_due(wiring, way_out(wiring))
    assert sent(wiring) == 4
    (told,) = [found for found in examine(wiring) if found.about in {"relay", "held mail"}]
    assert (told.level, told.about) == ("note", "relay")
    assert told.what.startswith("one has had its share until ")
    with clock.shifted(timedelta(days=1)):
        assert [found for found in examine(wiring) if found.about == "relay"] == []
