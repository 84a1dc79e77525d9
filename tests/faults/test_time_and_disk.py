"""A worker that outlives its lease, a clock that steps, a disk that is full: the same account as after any other fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syndication import clock
from syndication.mail.sender import recover, send_due
from syndication.mail.transport import open_transport
from syndication.settings import Settings
from syndication.wiring import Wiring, open_wiring
from tests.faults.account import check, states
from tests.faults.fault_relay import FaultRelay, fault_relay
from tests.mail.mail_world import new_issue
from tests.service import until

CONNECTIONS = 2


@pytest.fixture
def relay() -> Iterator[FaultRelay]:
    with fault_relay(("PIPELINING",)) as relay:
        yield relay


def service(tmp_path: Path, db_url: str, relay: FaultRelay, **said: object) -> Wiring:
    settings = {
        "data_dir": tmp_path / "var", "base_url": "https://news.tideway.example", "database_url": db_url,
        "mail_url": relay.url, "smtp_connections": CONNECTIONS, "slice_size": 50, **said,
    }  # fmt: skip
    return open_wiring(Settings(**settings))  # type: ignore[arg-type]


def environment(wiring: Wiring) -> dict[str, str]:
    said = wiring.settings.model_dump(exclude_unset=True)
    return os.environ | {f"SYNDICATION_{name.upper()}": str(value) for name, value in said.items()}


def test_a_worker_that_outlives_its_lease_sends_nothing_more(tmp_path: Path, db_url: str, relay: FaultRelay) -> None:
    """Stopped in the middle of a slice; another host takes the slice for lost, and then the worker goes on."""
    times = {"lease_seconds": 5, "task_time_limit_seconds": 4, "smtp_timeout_seconds": 5, "slice_size": 300}
    here = service(tmp_path / "here", db_url, relay, **times)
    elsewhere = service(tmp_path / "elsewhere", db_url, relay, journal_grace_seconds=0)
    new_issue(here.db, 300)
    worker = subprocess.Popen(
        [sys.executable, "-c", ONE_ROUND], env=environment(here), stdout=subprocess.PIPE, text=True
    )
    relay.seen.after_message = lambda count: worker.send_signal(signal.SIGSTOP) if count == 100 else None
    try:
        until(lambda: recover(elsewhere) or states(here.db)["unknown"], "the slice unknown")
        assert states(here.db) == {"unknown": 300}
        begun = relay.seen.messages
        worker.send_signal(signal.SIGCONT)
        told, _ = worker.communicate(timeout=30)
    finally:
        worker.kill()
    assert told.endswith("300 dealt with\n")
    assert relay.seen.messages - begun <= CONNECTIONS * 2, "only what was on its way"
    left = states(here.db)["unknown"]
    assert left <= CONNECTIONS, "it tells what the other host could not know, but for what it was about to write"
    with clock.shifted(timedelta(minutes=1)):
        while send_due(elsewhere, open_transport(elsewhere.settings)):
            pass
    check(here.db, relay, unknown=left)
    for wiring in (here, elsewhere):
        wiring.db.close()


@pytest.mark.parametrize("step", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_clock_that_steps_in_the_middle(tmp_path: Path, db_url: str, relay: FaultRelay, step: timedelta) -> None:
    wiring = service(tmp_path, db_url, relay)
    new_issue(wiring.db, 300)
    offset = timedelta(0)

    def stepping(count: int) -> None:
        nonlocal offset
        if count == 120:
            offset = step
            clock._offset = step

    relay.seen.after_message = stepping
    try:
        while send_due(wiring, open_transport(wiring.settings)):
            pass
        recover(wiring)
        if step < timedelta(0):  # what was due at once is due when the clock is there again
            assert set(states(wiring.db)) <= {"sent", "pending"}
            clock._offset = timedelta(0)
            while send_due(wiring, open_transport(wiring.settings)):
                pass
    finally:
        clock._offset = timedelta(0)
    check(wiring.db, relay, unknown=0)
    wiring.db.close()


ONE_ROUND = """
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.wiring import open_wiring
wiring = open_wiring()
print(send_due(wiring, open_transport(wiring.settings)), "dealt with")
"""
FULL = """
import resource, sys
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.wiring import open_wiring
wiring = open_wiring()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
try:
    while send_due(wiring, open_transport(wiring.settings)):
        pass
except OSError as error:
    print("full:", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while send_due(wiring, open_transport(wiring.settings)):
        pass
"""


@pytest.mark.parametrize("limit", [0, 60, 700, 2_050])
def test_a_journal_on_a_full_disk(tmp_path: Path, fresh_postgresql: str, relay: FaultRelay, limit: int) -> None:
    """A file-size limit stands for the disk: it is met in the middle of a line too. Then there is room again."""
    wiring = service(tmp_path, fresh_postgresql, relay)
    new_issue(wiring.db, 300)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(limit)], env=environment(wiring), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("full: ")
    check(wiring.db, relay, unknown=0)
    wiring.db.close()
