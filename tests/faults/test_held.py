"""Pause and cancel while real workers send through a slow relay: two seconds after the act no mail of the issue goes."""

from __future__ import annotations

import time
from pathlib import Path

from syndication.digests.control import cancel, pause, resume
from tests.faults.account import states
from tests.faults.fault_relay import FaultRelay, fault_relay
from tests.faults.servers import OwnBroker
from tests.faults.test_workers import MINUTE, PEOPLE, sending

EFFECTIVE = 2.0
STAYS = 3.0  # seconds in which nothing more may come; at this relay's pace it would be hundreds


def quiet(relay: FaultRelay) -> int:
    """How many messages had come two seconds after the act; none comes later."""
    time.sleep(EFFECTIVE)
    came = relay.seen.messages
    time.sleep(STAYS)
    assert relay.seen.messages == came, "mail went after the act was effective"
    return came


def test_pause_and_cancel_on_running_workers(tmp_path: Path, fresh_postgresql: str, broker: OwnBroker) -> None:
    with fault_relay(("PIPELINING",)) as relay, sending(tmp_path, fresh_postgresql, broker.url, relay) as (service, db):
        relay.seen.delay = lambda: time.sleep(0.04)
        service.start("mail-worker", "beat")
        service.until(lambda: relay.seen.messages >= 100, "the issue under way", MINUTE)
        with db.transaction() as session:
            pause(session, 1)
        held = quiet(relay)
        assert held < PEOPLE / 2, "the issue was over before it was held"
        with db.transaction() as session:
            resume(session, 1)
        service.until(lambda: relay.seen.messages >= held + 100, "the issue under way again", MINUTE)
        with db.transaction() as session:
            cancel(session, 1)
        have_it = quiet(relay)
        assert have_it < PEOPLE
        service.until(lambda: not states(db)["sending"], "what was on the wire is told", MINUTE)
        assert states(db) == {"sent": have_it, "cancelled": PEOPLE - have_it}
        assert set(relay.seen.accepted.values()) == {1}
