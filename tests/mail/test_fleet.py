"""Several relays: their order, their limits for all workers, the next where one is away; letters are never held back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mail_world import ScriptedRelay, new_issue
from pydantic import ValidationError
from sqlalchemy import func, select

from syndication import clock
from syndication.ledger import relay_use
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.letters import post
from syndication.ledger.mailings import Delivery
from syndication.ledger.relay_use import Limits, all_use, give_back, take
from syndication.mail.fleet import Fleet, way_out
from syndication.mail.relays import relay_of
from syndication.mail.sender import send_due
from syndication.settings import RelaySettings, Settings
from syndication.wiring import Wiring, open_wiring

NOWHERE = "smtp://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _far_from_a_new_hour() -> Iterator[None]:
    """Limits begin anew with each hour and day: no test runs over the end of one, whenever it is run."""
    now = clock.now()
    with clock.shifted(now.replace(hour=12, minute=10) - now):
        yield


@pytest.fixture
def relays() -> Iterator[list[ScriptedRelay]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(ScriptedRelay()) for _ in range(2)]
        for server in servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.shutdown)
        yield servers


def service(tmp_path: Path, db_url: str, *relays: RelaySettings, people: int = 20) -> Wiring:
    wiring = open_wiring(
        Settings(
            data_dir=tmp_path / "var",
            base_url="https://news.tideway.example",
            slice_size=10,
            database_url=db_url,
            relays=relays,
            smtp_timeout_seconds=5,
        )
    )
    new_issue(wiring.db, people)
    return wiring


def sent(wiring: Wiring) -> int:
    with wiring.db.reading() as session:
        return session.scalar(select(func.count()).where(Delivery.state == "sent")) or 0


def test_the_next_relay_takes_what_is_over_the_limit_of_the_first(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    one, two = relays
    wiring = service(tmp_path, db_url, RelaySettings(url=one.url, per_hour=7), RelaySettings(url=two.url))
    send_due(wiring, way_out(wiring))
    assert (len(one.received), len(two.received)) == (7, 13)
    assert sent(wiring) == 20
    assert len({recipient for relay in relays for recipient, _ in relay.received}) == 20


def test_when_all_have_had_their_share_the_rest_waits_for_the_next_hour_and_nobody_fails(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    one, two = relays
    wiring = service(tmp_path, db_url, *(RelaySettings(url=r.url, per_hour=6) for r in (one, two)))
    for _ in range(3):
        send_due(wiring, way_out(wiring))
    assert sent(wiring) == 12
    with wiring.db.reading() as session:
        states = session.execute(select(Delivery.state, Delivery.attempts).where(Delivery.state != "sent")).all()
    assert set(states) == {("pending", 0)}
    with clock.shifted(timedelta(hours=1)):
        send_due(wiring, way_out(wiring))
    assert sent(wiring) == 20


def test_a_relay_that_cannot_be_reached_is_passed_over(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    wiring = service(tmp_path, db_url, RelaySettings(url=NOWHERE, per_day=100), RelaySettings(url=relays[0].url))
    send_due(wiring, way_out(wiring))
    assert sent(wiring) == 20
    assert len(relays[0].received) == 20
    with wiring.db.reading() as session:
        assert [(use.name, use.in_day) for use in all_use(session)] == [("127.0.0.1:1", 0)], (
            "what did not go is not counted"
        )


def test_where_none_can_be_reached_all_of_it_is_pending(tmp_path: Path, db_url: str) -> None:
    wiring = service(tmp_path, db_url, RelaySettings(url=NOWHERE), RelaySettings(url="smtp://127.0.0.1:2"))
    send_due(wiring, way_out(wiring))
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) == {"pending"}


def test_a_letter_is_counted_and_never_held_back(tmp_path: Path, db_url: str, relays: list[ScriptedRelay]) -> None:
    wiring = service(tmp_path, db_url, RelaySettings(url=relays[0].url, per_day=5, name="one"))
    send_due(wiring, way_out(wiring))
    assert sent(wiring) == 5
    with wiring.db.transaction() as session:
        post(
            session, publication_id=1, subscriber_id=1, address="new@example.org", language="en", template="confirm",
            context={"confirm": [[0, "daily"]], "cadence": "daily"},
        )  # fmt: skip
    send_due(wiring, way_out(wiring, exempt=True), kinds=("transactional",))
    assert relays[0].received[-1][0] == "new@example.org"
    with wiring.db.reading() as session:
        assert [use.in_day for use in all_use(session)] == [6]


def test_a_relay_bound_to_another_publication_or_domain_takes_nothing(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    one, two = relays
    wiring = service(
        tmp_path, db_url,
        RelaySettings(url=one.url, publications=("other",)),
        RelaySettings(url=two.url, publications=("tideway",), from_domains=("Tideway.example",)),
    )  # fmt: skip
    send_due(wiring, way_out(wiring))
    assert (len(one.received), len(two.received)) == (0, 20)


def test_without_relays_the_one_address_is_used_as_before(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    wiring = open_wiring(Settings(data_dir=tmp_path / "var", mail_url=relays[0].url, database_url=db_url))
    assert not isinstance(way_out(wiring), Fleet)


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


def test_settings_say_what_is_wrong_with_relays() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Settings(mail_url=NOWHERE, relays=(RelaySettings(url=NOWHERE),))
    with pytest.raises(ValidationError, match="same name"):
        Settings(relays=(RelaySettings(url=NOWHERE), RelaySettings(url=NOWHERE)))
    with pytest.raises(ValidationError, match="smtps"):
        RelaySettings(url="maildir:/tmp")


def test_a_message_for_several_relays_is_made_so_that_any_of_them_may_take_it() -> None:
    several = (RelaySettings(url="smtp://email-smtp.eu.amazonaws.com"), RelaySettings(url="smtp://smtp.mailgun.org"))
    profile = relay_of(Settings(relays=several))
    assert profile.rewrites == {"Date", "Message-ID"}
    assert not profile.signs_alone
    assert profile.mark.count("\r\n") == 1
