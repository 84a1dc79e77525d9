"""The relay answers each class of reply at each verb, hangs up after each and inside a message, and stalls: then it is well.

After each: nothing lost, nothing doubled, unknown at most what was on the wire, all the rest sent with nobody doing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syndication import clock
from syndication.ledger.ladder import JITTER
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.settings import Settings
from syndication.wiring import Wiring, open_wiring
from tests.faults.account import check, settled, states
from tests.faults.fault_relay import Act, Fault, FaultRelay, fault_relay
from tests.mail.mail_world import new_issue

PEOPLE, WINDOW, CONNECTIONS, TIMES = 12, 3, 2, 2
VERBS = ("connect", "ehlo", "mail", "rcpt", "data", "end")
REPLIES = (
    b"421 4.3.2 closing", b"451 4.7.1 greylisted", b"503 5.5.1 order", b"530 5.7.0 log in first", b"550 5.1.1 nobody here",
    b"554 5.7.1 refused", b"220 not now", b"nonsense", b"", Act.HANG_UP,
)  # fmt: skip


@pytest.fixture(params=[(), ("PIPELINING",), ("PIPELINING", "CHUNKING")], ids=["plain", "pipelining", "chunking"])
def relay(request: pytest.FixtureRequest) -> Iterator[FaultRelay]:
    with fault_relay(request.param) as relay:
        yield relay


def service(tmp_path: Path, db_url: str, relay: FaultRelay) -> Wiring:
    settings = Settings(
        data_dir=tmp_path / "var", base_url="https://news.tideway.example", database_url=db_url, mail_url=relay.url,
        smtp_timeout_seconds=1, smtp_connections=CONNECTIONS, smtp_window=WINDOW, slice_size=5,
    )  # fmt: skip
    wiring = open_wiring(settings)
    new_issue(wiring.db, PEOPLE)
    return wiring


def on_the_wire(relay: FaultRelay, stage: str) -> int:
    """How many messages may be whole on their way at `stage`: with CHUNKING the envelopes go together with the bodies."""
    whole = {"end", "body"} | ({"mail", "rcpt"} if "CHUNKING" in relay.offers else set())
    return WINDOW if stage in whole else 0


def days_pass(wiring: Wiring) -> None:
    """As the ladder goes: rounds of sending, until nothing waits any more."""
    ahead = timedelta(0)
    for wait in (0, 60, *wiring.settings.retry_ladder):
        ahead += timedelta(seconds=wait * (1 + JITTER) + 1)
        with clock.shifted(ahead):
            while send_due(wiring, open_transport(wiring.settings)):
                pass
        if settled(wiring.db):
            return
    pytest.fail(f"not settled: {states(wiring.db)}")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stage", VERBS)
@pytest.mark.parametrize("reply", REPLIES, ids=lambda r: r.name if isinstance(r, Act) else r.decode()[:9] or "empty")
def test_an_answer_at_a_verb(tmp_path: Path, db_url: str, relay: FaultRelay, stage: str, reply: bytes | Act) -> None:
    wiring = service(tmp_path, db_url, relay)
    relay.fault = Fault(stage, reply, TIMES)
    days_pass(wiring)
    for_good = isinstance(reply, bytes) and reply[:1] == b"5" and stage in {"rcpt", "data", "end"}
    unknown = TIMES * on_the_wire(relay, stage)
    check(wiring.db, relay, unknown=0 if for_good else unknown, failed=TIMES if for_good else 0)
    wiring.db.close()


@pytest.mark.sqlite_only
def test_hanging_up_inside_a_message(tmp_path: Path, db_url: str, relay: FaultRelay) -> None:
    wiring = service(tmp_path, db_url, relay)
    relay.fault = Fault("body", Act.HANG_UP, TIMES)
    days_pass(wiring)
    check(wiring.db, relay, unknown=TIMES * on_the_wire(relay, "body"))
    wiring.db.close()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stage", [*VERBS, "body"])
def test_stalling(tmp_path: Path, db_url: str, relay: FaultRelay, stage: str) -> None:
    wiring = service(tmp_path, db_url, relay)
    relay.fault = Fault(stage, Act.STALL, 1)
    days_pass(wiring)
    check(wiring.db, relay, unknown=on_the_wire(relay, stage))
    wiring.db.close()
