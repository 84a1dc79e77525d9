"""`syndicate up`, as a newcomer runs it: real processes, a real broker; killed, refused twice, ended cleanly."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
import requests

from syndication.cli.up import _ENDING, _commands, _Interrupt
from syndication.digests.control import counts
from syndication.embedded.place import runtime_path
from syndication.feeds.disclaimers import STANDARD, count_html, render_notice
from syndication.hints import QUEUES
from syndication.ledger import schema
from syndication.ledger.db import Database
from syndication.settings import Settings
from tests.embedded.service import Service, new_tree, until
from tests.faults.fault_relay import fault_relay
from tests.mail.mail_world import new_issue

pytestmark = pytest.mark.timeout(240)


def outbox(data: Path) -> list[Path]:
    return list((data / "outbox/new").glob("*"))


def test_a_whole_day_of_the_service(tmp_path: Path) -> None:
    tree, data = new_tree(tmp_path / "a tree"), tmp_path / "my data"
    with Service(data, str(tree)) as service:
        until(service.ready)
        (item,) = service.get("/feeds/all.json").json()["items"]
        text, _ = render_notice(STANDARD["en"], name="Harbour Office", supporters_url="https://h.example/s")
        assert count_html(item["content_html"], text) == 1
        assert service.get("/series/boats/slow/").status_code == 200
        assert "at-once@demo.example" in until(lambda: outbox(data))[0].read_text()

        again = service.run("up")
        assert again.returncode == 1
        assert "works in this data directory already" in again.stderr
        assert [e["state"] for e in json.loads(service.run("entries", "--json").stdout)] == ["published"]

        words = (
            "worker@", "at-once-worker@", "digest-worker@", "mail-worker@", "push-worker@", "transactional-worker@",
            "valkey-server",
        )  # fmt: skip
        victims = [service.child(word) for word in words]
        for victim in victims:
            assert victim is not None
            for one in (victim, *victim.children(recursive=True)):
                one.kill()
        until(lambda: all(service.child(word) not in (None, *victims) for word in words))
        (tree / "boats/next.md").write_text("---\ntitle: The next boat\n---\nIt is late too.")
        for arguments in (["import", str(tree)], ["publish", "next"]):
            assert service.run(*arguments).returncode == 0
        until(lambda: len(service.get("/feeds/all.json").json()["items"]) == 2)
        until(lambda: len(outbox(data)) >= 2)

        assert service.interrupt() == []
        assert re.findall(r"https?://\S+", service.said()) == [f"{service.base}/workbench"]
        assert not (data / "service.json").exists()
        assert not runtime_path(data).exists()


def test_each_queue_has_one_worker_and_confirmations_one_of_their_own() -> None:
    heard = [part[part.index("-Q") + 1].split(",") for _, part in _commands(Settings()) if "-Q" in part]
    assert sorted(queue for queues in heard for queue in queues) == sorted(set(QUEUES.values()))
    assert ["transactional"] in heard
    named = [part[part.index("worker") :] for _, part in _commands(Settings()) if "worker" in part]
    assert len({part[part.index("-n") + 1] for part in named}) == len(heard)


def test_a_confirmation_overtakes_an_issue_that_a_slow_relay_takes(tmp_path: Path) -> None:
    """Thousands wait, both processes of the mail worker are at it, and somebody subscribes."""
    data, people = tmp_path / "var", 3_000
    data.mkdir()
    db = Database(f"sqlite:///{data / 'ledger.sqlite3'}")
    schema.upgrade(db)
    new_issue(db, people)
    with fault_relay(("PIPELINING",)) as relay:
        relay.seen.delay = lambda: time.sleep(0.1)
        with Service(data, SYNDICATION_MAIL_URL=relay.url, SYNDICATION_SMTP_CONNECTIONS="2") as service:
            until(service.ready)
            until(lambda: relay.seen.messages > 100)
            form = {"email": "new@reader.example", "series": "all", "cadence": "daily", "timezone": "Europe/Lisbon"}
            assert requests.post(f"{service.base}/subscribe", data=form, timeout=10).status_code == 200
            asked = relay.seen.messages
            until(lambda: "new@reader.example" in relay.seen.recipients.values())
            assert relay.seen.messages - asked < people / 3, "it waited for its turn"
            with db.reading() as session:
                assert counts(session, 1)["pending"] > 0
    db.close()


def test_killed_outright_and_started_elsewhere(tmp_path: Path) -> None:
    """An orphan is stopped; the same data go on; what names the old address is rendered anew before it says ready."""
    tree, data = new_tree(tmp_path / "tree"), tmp_path / "var"
    (tree / "boats/broken.md").write_bytes(b"\x00\x01 not a text")
    with Service(data, str(tree)) as first:
        until(first.ready)
        assert "broken.md" in first.said()
        before = first.get("/feeds/all.json").json()
        family = first.family()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(20)
    left = [process for process in family if process.is_running()]
    assert left
    with Service(data, str(tree)) as second:
        until(second.ready)
        after = second.get("/feeds/all.json").json()
        assert psutil.wait_procs(left, timeout=1)[1] == []
        assert "stopped worker, which an earlier run left behind" in second.said()
        assert "0 new, 0 changed, 1 unchanged" in second.said()
        assert first.base not in json.dumps(after)
        assert after["feed_url"] == f"{second.base}/feeds/all.json"
        assert [i["id"] for i in after["items"]] == [i["id"] for i in before["items"]]
        assert second.interrupt() == []


@pytest.mark.parametrize("moment", ["log/broker.log", "service.json", "outbox"])
def test_interrupted_while_it_starts(tmp_path: Path, moment: str) -> None:
    tree, data = new_tree(tmp_path / "tree"), tmp_path / "var"
    with Service(data, str(tree)) as service:
        until((data / moment).exists)
        assert service.interrupt() == []
        assert service.process.returncode in (0, 130), service.said()
        assert "Traceback" not in service.said()


def test_no_seeds_and_the_port_of_somebody_else(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with Service(tmp_path / "var", port=other.getsockname()[1]) as refused:
            assert refused.process.wait(60) == 1
            assert "Address already in use" in refused.said()
            assert "PORT=8001 make run" in refused.said()
            assert not runtime_path(tmp_path / "var").exists()
    with Service(tmp_path / "var") as service:
        until(service.ready)
        assert service.get("/healthz").status_code == 200
    with Service(tmp_path / "var2", str(tmp_path / "nowhere")) as lost:
        assert lost.process.wait(60) == 1
        assert "there is no such tree" in lost.said()


def test_an_interrupt_that_a_library_swallows_comes_again() -> None:
    kept = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGALRM)}
    interrupt = _Interrupt()
    try:
        interrupt.take()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(60)
        interrupt.heard()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_an_interrupt_waits_while_a_process_is_started() -> None:
    kept = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGALRM)}
    interrupt, done = _Interrupt(), []

    def start() -> None:
        with interrupt.held():
            signal.raise_signal(signal.SIGINT)
            done.append("known")

    try:
        interrupt.take()
        with pytest.raises(KeyboardInterrupt):
            start()
        assert done == ["known"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in kept.items():
            signal.signal(number, handler)
