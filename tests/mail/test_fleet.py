"""Several relays: their order, their limits for all workers, the next where one is away; letters are never held back."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from mail_world import ScriptedRelay, new_issue
from pydantic import ValidationError
from sqlalchemy import func, select

from syndication import clock
from syndication.ledger.letters import post
from syndication.ledger.mailings import Delivery
from syndication.ledger.relay_use import all_use
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


SENDER_REFUSED = b"550 5.1.8 sender address rejected"


@pytest.mark.parametrize("step", ["mail", "rcpt", "end"])
@pytest.mark.parametrize("line", [SENDER_REFUSED, b"550 5.4.5 Daily user sending limit exceeded"])
def test_a_relay_that_refuses_us_is_passed_over(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay], step: str, line: bytes
) -> None:
    one, two = relays
    one.script = {step: line}
    wiring = service(tmp_path, db_url, RelaySettings(url=one.url, per_day=100, name="one"), RelaySettings(url=two.url))
    send_due(wiring, way_out(wiring))
    assert (len(one.received), len(two.received)) == (0, 20)
    assert sent(wiring) == 20
    with wiring.db.reading() as session:
        assert [use.in_day for use in all_use(session)] == [0]


def test_who_alone_dislikes_our_sender_is_tried_again_later_and_the_first_relay_keeps_the_rest(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    one, two = relays
    for relay in relays:
        relay.script, relay.only = {"rcpt": SENDER_REFUSED}, {"p2@example.org"}
    wiring = service(tmp_path, db_url, *(RelaySettings(url=relay.url) for relay in relays))
    send_due(wiring, way_out(wiring))
    assert (len(one.received), len(two.received)) == (19, 0)
    with wiring.db.reading() as session:
        rows = session.execute(select(Delivery.id, Delivery.state, Delivery.attempts).where(Delivery.state != "sent"))
        assert rows.all() == [(2, "deferred", 1)]


def test_one_relay_alone_is_sent_no_more_than_its_service_takes_from_everybody(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay]
) -> None:
    one, _ = relays
    before = service(tmp_path, db_url, people=1)
    wiring = Wiring(
        before.settings.model_copy(update={"mail_url": f"{one.url}?profile=microsoft365"}), before.base_url, ""
    )
    send_due(wiring, way_out(wiring))
    assert (len(one.received), sent(wiring)) == (1, 1)
    with wiring.db.reading() as session:
        (use,) = all_use(session)
        assert use.next_free - use.first_used >= timedelta(seconds=2), "30 a minute"


def test_a_trial_goes_by_the_relay_that_is_for_the_publication(
    tmp_path: Path, db_url: str, relays: list[ScriptedRelay], syndicate: list[str]
) -> None:
    one, two = relays
    service(tmp_path, db_url, people=1).db.close()
    environment = os.environ | {
        "SYNDICATION_DATA_DIR": str(tmp_path / "var"), "SYNDICATION_DATABASE_URL": db_url,
        "SYNDICATION_RELAYS": json.dumps([{"url": one.url, "publications": ["other"]}, {"url": two.url}]),
    }  # fmt: skip
    told = subprocess.run(
        [*syndicate, "digest", "test", "me@example.org"], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("sent: [Test]")
    assert (len(one.received), len(two.received)) == (0, 1)
