"""Workers on two hosts, each with a name and a data directory of its own: what one host can know of the other's mail.

`unknown` has two bounds. With the journal there, it is what was on the wire; with the journal lost, the slices that were
leased, and only after the grace. A journal that turns up later still tells.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from syndication import clock
from syndication.ledger.tables import Delivery, Lease, Publication
from syndication.mail import journal
from syndication.mail.bounds import bounds
from syndication.mail.sender import journals_dir, recover, send_due
from syndication.mail.transport import open_transport
from syndication.settings import Settings
from syndication.wiring import Wiring, open_wiring
from tests.faults.account import check, states
from tests.faults.fault_relay import FaultRelay, fault_relay
from tests.mail.mail_world import new_issue

PEOPLE, KILLED_AT, CONNECTIONS, SLICE = 900, 130, 2, 100
WORKER = """
import socket, sys
socket.gethostname = lambda: sys.argv[1]
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.wiring import open_wiring
wiring = open_wiring()
while send_due(wiring, open_transport(wiring.settings)):
    pass
"""


class Hosts:
    """Host `a` as processes, host `b` as this one."""

    def __init__(self, place: Path, db_url: str, relay: FaultRelay) -> None:
        self.place, self.db_url, self.relay = place, db_url, relay
        self.a, self.b = self._settings("a"), open_wiring(self._settings("b"))
        new_issue(self.b.db, PEOPLE)

    def _settings(self, host: str) -> Settings:
        return Settings(
            data_dir=self.place / host, base_url="https://news.tideway.example", database_url=self.db_url,
            mail_url=self.relay.url, smtp_connections=CONNECTIONS, slice_size=SLICE,
        )  # fmt: skip

    def a_works(self, *, killed_at: int = 0) -> None:
        """A worker on `a` until all is sent, or until it is killed when so many have come."""
        said = self.a.model_dump(exclude_unset=True)
        environment = os.environ | {f"SYNDICATION_{name.upper()}": str(value) for name, value in said.items()}
        reached = threading.Event()
        self.relay.seen.after_message = lambda count: reached.set() if count >= killed_at else None
        worker = subprocess.Popen([sys.executable, "-c", WORKER, "a"], env=environment)
        if killed_at:
            assert reached.wait(60)
            worker.send_signal(signal.SIGKILL)
        assert worker.wait(90) == (-signal.SIGKILL if killed_at else 0)

    def b_works(self) -> None:
        while send_due(self.b, open_transport(self.b.settings)):
            pass


@pytest.fixture
def hosts(tmp_path: Path, db_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    """`a` was killed in the middle of its slices."""
    monkeypatch.setattr(socket, "gethostname", lambda: "b")
    with fault_relay(("PIPELINING",)) as relay:
        hosts = Hosts(tmp_path, db_url, relay)
        hosts.a_works(killed_at=KILLED_AT)
        yield hosts
        hosts.b.db.close()


def leased_by_a(wiring: Wiring) -> int:
    with wiring.db.reading() as session:
        query = select(func.count(Delivery.id)).join(Lease, Lease.id == Delivery.lease_id)
        return session.scalar(query.where(Lease.host == "a", Delivery.state.in_(("sending", "unknown")))) or 0


def after_the_grace(wiring: Wiring) -> timedelta:
    return timedelta(seconds=wiring.settings.lease_seconds + wiring.settings.journal_grace_seconds + 1)


def test_a_journal_that_is_lost_costs_the_slices_it_told_of(hosts: Hosts) -> None:
    held = leased_by_a(hosts.b)
    hosts.b_works()
    assert states(hosts.b.db)["sending"] == held, "before the grace nobody touches them"
    shutil.rmtree(hosts.a.data_dir / "journals")
    with clock.shifted(after_the_grace(hosts.b) / 2):
        recover(hosts.b)
        assert states(hosts.b.db)["unknown"] == 0
    with clock.shifted(after_the_grace(hosts.b)):
        recover(hosts.b)
        assert states(hosts.b.db)["unknown"] == held
    hosts.a_works()
    assert 0 < held <= bounds(hosts.a).journal_lost
    check(hosts.b.db, hosts.relay, unknown=held)


def test_a_journal_that_turns_up_later_tells(hosts: Hosts) -> None:
    with clock.shifted(after_the_grace(hosts.b)):
        recover(hosts.b)
    unknown = states(hosts.b.db)["unknown"]
    assert unknown > bounds(hosts.a).killed
    hosts.b_works()
    hosts.a_works()
    check(hosts.b.db, hosts.relay, unknown=CONNECTIONS)


def test_a_host_never_replays_anothers_journal(hosts: Hosts) -> None:
    """Not even where it lies in its own directory: nobody here can tell whether its worker lives."""
    held = leased_by_a(hosts.b)
    (theirs,) = (hosts.a.data_dir / "journals").glob("a-*.journal")
    strange = journals_dir(hosts.b) / theirs.name
    strange.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(theirs, strange)
    hosts.b_works()
    assert leased_by_a(hosts.b) == held
    assert strange.exists(), "it is all that knows"
    hosts.a_works()
    check(hosts.b.db, hosts.relay, unknown=CONNECTIONS)


def policy(hosts: Hosts, way: str) -> int:
    """The publication says what to do; the journal is lost, and the grace over. How many were unknown."""
    with hosts.b.db.transaction() as session:
        session.execute(update(Publication).values(unknown=way))
    shutil.rmtree(hosts.a.data_dir / "journals")
    unknown = leased_by_a(hosts.b)
    with clock.shifted(after_the_grace(hosts.b)):
        recover(hosts.b)
        assert states(hosts.b.db)["unknown"] == (unknown if way == "ask" else 0)
        hosts.b_works()
    return unknown


def test_a_publication_that_takes_them_as_sent(hosts: Hosts) -> None:
    unknown = policy(hosts, "sent")
    assert states(hosts.b.db) == {"sent": PEOPLE}
    assert max(hosts.relay.seen.accepted.values()) == 1
    with hosts.b.db.reading() as session:
        said = select(func.count()).where(Delivery.reply.startswith("taken as sent by the publication's policy"))
        assert session.scalar(said) == unknown


def test_a_publication_that_sends_them_again(hosts: Hosts) -> None:
    arrived = hosts.relay.seen.messages
    unknown = policy(hosts, "again")
    assert states(hosts.b.db) == {"sent": PEOPLE}
    assert len(hosts.relay.seen.accepted) == PEOPLE, "the same Message-ID for who has it already"
    assert max(hosts.relay.seen.accepted.values()) == 2
    assert 0 < hosts.relay.seen.messages - PEOPLE <= min(unknown, arrived)


def test_a_publication_that_wants_to_be_asked(hosts: Hosts) -> None:
    unknown = policy(hosts, "ask")
    assert states(hosts.b.db) == {"sent": PEOPLE - unknown, "unknown": unknown}


def test_unknown_a_second_time_it_waits_for_a_person(hosts: Hosts) -> None:
    with hosts.b.db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.state == "sending").values(attempts=1))
    unknown = policy_twice(hosts)
    assert states(hosts.b.db)["unknown"] == unknown


def policy_twice(hosts: Hosts) -> int:
    with hosts.b.db.transaction() as session:
        session.execute(update(Publication).values(unknown="again"))
    shutil.rmtree(hosts.a.data_dir / "journals")
    unknown = leased_by_a(hosts.b)
    with clock.shifted(after_the_grace(hosts.b)):
        recover(hosts.b)
        hosts.b_works()
    return unknown


def test_the_name_of_a_journal_begins_with_its_host(tmp_path: Path) -> None:
    made = journal.Journal(tmp_path)
    assert made.name.rsplit("-", 2)[0] == socket.gethostname()
