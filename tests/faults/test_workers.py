"""Real workers and beat, killed and robbed of ledger and broker in an issue of 2,000: the work goes on by itself.

Nothing lost, nothing doubled, unknown at most what was on the wire. The settings are the shipped ones: a lease of two minutes
and a grace of five would take seven, so an issue that is settled in less than one shows that a restarted worker replays the
journal of a dead one at once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syndication.ledger.db import Database
from syndication.settings import Settings
from tests.faults.account import check, settled
from tests.faults.fault_relay import FaultRelay, fault_relay
from tests.faults.servers import OwnBroker, OwnPostgresql
from tests.mail.mail_world import new_issue
from tests.service import Service

PEOPLE, CONNECTIONS = 2_000, 3
MINUTE = 55.0


@contextmanager
def sending(place: Path, database: str, broker: str, relay: FaultRelay) -> Iterator[tuple[Service, Database]]:
    """A mail worker and beat at an issue."""
    db = Database(database)
    new_issue(db, PEOPLE)
    settings = {"smtp_connections": CONNECTIONS, "smtp_timeout_seconds": 10}
    with Service(place, database=database, broker=broker, mail=relay.url, **settings) as service:
        yield service, db
    db.close()


def at_messages(relay: FaultRelay, acts: dict[int, Callable[[], object]]) -> threading.Event:
    """Each act when so many messages have come, in the relay's own thread; the event says that all were done.

    One after another, whatever they take: the relay goes on by its other connections, and a server is started again only
    when it has stopped.
    """
    done = threading.Event()
    waiting = dict(acts)
    lock = threading.Lock()

    def after(count: int) -> None:
        if not any(at <= count for at in list(waiting)):
            return
        with lock:
            for at in sorted(at for at in list(waiting) if at <= count):
                waiting.pop(at)()
            if not waiting:
                done.set()

    relay.seen.after_message = after
    return done


@pytest.mark.parametrize("seed", [1])
def test_kill_9_at_random_instants(tmp_path: Path, fresh_postgresql: str, broker: OwnBroker, seed: int) -> None:
    instants = sorted(random.Random(seed).sample(range(1, PEOPLE - 100), 4))
    with (
        fault_relay(("PIPELINING",)) as relay,
        sending(tmp_path, fresh_postgresql, broker.url, relay) as (service, db),
    ):
        service.start("mail-worker", "beat")
        for instant in instants:
            done = at_messages(relay, {instant: lambda: service.kill("mail-worker")})
            assert done.wait(MINUTE), f"not {instant} messages; {relay.seen.messages} came"
            service.start("mail-worker")
        service.until(lambda: settled(db), "the issue settled", MINUTE)
        check(db, relay, unknown=len(instants) * CONNECTIONS * 2)  # the worker has two processes


def test_the_shipped_settings_leave_recovery_to_the_journal() -> None:
    shipped = Settings()
    assert shipped.lease_seconds + shipped.journal_grace_seconds > 2 * MINUTE


def test_postgresql_restarted_and_its_connections_cut(
    tmp_path: Path, own_postgresql: OwnPostgresql, broker: OwnBroker
) -> None:
    with (
        fault_relay(("PIPELINING",)) as relay,
        sending(tmp_path, own_postgresql.url, broker.url, relay) as (service, db),
    ):
        acts = {300: own_postgresql.cut, 700: own_postgresql.restart, 1_300: own_postgresql.cut}
        done = at_messages(relay, acts)
        service.start("mail-worker", "beat")
        assert done.wait(MINUTE)
        service.until(lambda: settled(db), "the issue settled", MINUTE)
        check(db, relay, unknown=0)  # no worker died: each still knows what it sent


def test_the_broker_stopped_and_started(tmp_path: Path, fresh_postgresql: str, broker: OwnBroker) -> None:
    with (
        fault_relay(("PIPELINING",)) as relay,
        sending(tmp_path, fresh_postgresql, broker.url, relay) as (service, db),
    ):
        done = at_messages(relay, {400: broker.stop, 900: broker.start})
        service.start("mail-worker", "beat")
        assert done.wait(MINUTE), "a worker goes on with what it has"
        service.until(lambda: settled(db), "the issue settled", MINUTE)
        check(db, relay, unknown=0)
