"""From an entry that is published to its feeds on every web process, to WebSub subscribers, to the first mail at the relay.

`syndicate up` with PostgreSQL and a second web process; 100,000 entries, 1,000 feeds, 10,000 hub subscriptions, 100,000
subscribers. Each probe touches ten feeds; all times run from the commit of its publish. While two of the probes go out a cut
runs beside them: a daily and a weekly digest for a third of the people each. Then the notice changes: how long until
the last of the 1,000 feeds has it. `--small` takes a twentieth of everything and fewer probes.
"""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests
from sqlalchemy import func, select

from bench.latency_world import HOSTS, feeds_of_a_probe, fill
from bench.poll import free_port
from bench.record import record
from syndication.digests import issues
from syndication.ledger.db import Database
from syndication.ledger.tables import Feed, HubSubscription, HubTopic, Push
from syndication.publishing import catch_up, publish, readdress, set_notice
from syndication.settings import read_settings
from syndication.wiring import Wiring, open_wiring
from tests.faults.servers import postgresql_of_ones_own

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 20.0
WARM = 2  # probes that are not counted: processes import and plan
CUTS = {4: "daily", 8: "weekly"}  # probe → what is cut beside it
_PROBE = re.compile(rb"Probe (\d+) of")


class Seen(NamedTuple):
    at: float
    kind: str  # push | mail
    probe: int


async def _listen(http_port: int, smtp_port: int, seen: Queue[Seen]) -> None:
    """The machines that subscribe, and the relay."""

    async def pushed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            body = await reader.readexactly(length)
            at = time.time()
            numbers = [int(n) for n in _PROBE.findall(body)]
            seen.put(Seen(at, "push", max(numbers, default=0)))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def mailed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to = b""
        writer.write(b"220 relay\r\n")
        try:
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-relay\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    message = await reader.readuntil(b"\r\n.\r\n")
                    found = _PROBE.search(message)
                    number = int(to.partition(b"<p")[2].partition(b"@")[0] or 0)
                    if found and number % 3 == 0:  # who wants it at once
                        seen.put(Seen(time.time(), "mail", int(found[1])))
                    writer.write(b"250 taken\r\n")
                elif verb == b"QUIT":
                    break
                else:
                    to = line if verb == b"RCPT" else to
                    writer.write(b"250 ok\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    servers = [await asyncio.start_server(mailed, "127.0.0.1", smtp_port, limit=2**22)]
    servers += [await asyncio.start_server(pushed, f"127.0.1.{1 + n}", http_port, backlog=256) for n in range(HOSTS)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def listen(http_port: int, smtp_port: int, seen: Queue[Seen]) -> None:
    asyncio.run(_listen(http_port, smtp_port, seen))


def render(url: str, base_url: str) -> None:
    """Helps to make the feeds before the service starts."""
    db = Database(url)
    catch_up(db, base_url)
    db.close()


class Watch(threading.Thread):
    """Asks one web process for the feeds until each shows a probe; `shown` is when the last did."""

    def __init__(self, port: int, probe: int) -> None:
        super().__init__(daemon=True)
        self._missing = {f"/feeds/{name}.atom" for name in feeds_of_a_probe()}
        self._port, self._probe = port, f"Probe {probe} of".encode()
        self.shown = float("inf")

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        tags: dict[str, str] = {}
        deadline = time.time() + PATIENCE
        while self._missing and time.time() < deadline:
            for path in sorted(self._missing):  # gently: what asks shares the cores with what answers
                connection.request("GET", path, headers={"If-None-Match": tags.get(path, '"x"')})
                answer = connection.getresponse()
                body = answer.read()
                tags[path] = answer.headers["etag"] or '"x"'
                if answer.status == 200 and self._probe in body:
                    self._missing.discard(path)
            time.sleep(0.04)
        connection.close()
        if not self._missing:
            self.shown = time.time()


@contextmanager
def service(environment: dict[str, str], second_port: int) -> Iterator[None]:
    """`syndicate up` and one more web process, until the block ends."""
    up = subprocess.Popen([sys.executable, "-m", "syndication", "up"], cwd=ROOT, env=environment, stdout=2)
    web = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--no-ws", "--log-level", "warning"]
    web += ["--port", str(second_port), "syndication.web.app:application"]
    second = subprocess.Popen(web, cwd=ROOT, env=environment, stdout=2)
    try:
        for port in (int(environment["SYNDICATION_PORT"]), second_port):
            deadline = time.time() + 60
            while True:
                try:
                    if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                        break
                except requests.RequestException:
                    pass
                if time.time() > deadline or up.poll() is not None:
                    raise SystemExit("the service does not start; see its log directory")
                time.sleep(0.1)
        time.sleep(5)  # workers import
        yield
    finally:
        for process in (second, up):
            process.send_signal(signal.SIGINT)
            process.wait(30)


def main() -> None:
    scale, probes = (20, 4) if "--small" in sys.argv else (1, 12)
    context = multiprocessing.get_context("spawn")
    seen: Queue[Seen] = context.Queue()
    port, second_port, smtp_port, http_port = (free_port() for _ in range(4))
    machine = context.Process(target=listen, args=(http_port, smtp_port, seen), daemon=True)
    machine.start()
    with tempfile.TemporaryDirectory() as folder, postgresql_of_ones_own() as postgresql:
        environment = os.environ | {
            "SYNDICATION_DATA_DIR": folder, "SYNDICATION_DATABASE_URL": postgresql.url, "SYNDICATION_PORT": str(port),
            "SYNDICATION_BASE_URL": f"http://127.0.0.1:{port}", "SYNDICATION_MAIL_URL": f"smtp://127.0.0.1:{smtp_port}",
            "SYNDICATION_PUSH_TO_LOOPBACK": "true", "SYNDICATION_LOG_LEVEL": "warning",
        }  # fmt: skip
        os.environ.update(environment)
        wiring = Wiring(read_settings(), f"http://127.0.0.1:{port}", "")
        began = time.perf_counter()
        drafts = fill(
            wiring.db, entries=100_000 // scale, people=100_000 // scale, hub=10_000 // scale, probes=probes + WARM,
            port=http_port,
        )  # fmt: skip
        readdress(wiring.db, wiring.base_url, ())
        other = context.Process(target=render, args=(postgresql.url, wiring.base_url))
        other.start()
        catch_up(wiring.db, wiring.base_url)
        other.join()
        _nothing_is_news(wiring)
        print(f"the ledger is written in {time.perf_counter() - began:.0f} s", flush=True)
        with service(environment, second_port):
            wiring = open_wiring(read_settings())  # its broker too
            figures = rounds(wiring, drafts, (port, second_port), seen)
            figures |= notice(wiring)
        figures |= {"entries": 100_000 // scale, "people": 100_000 // scale, "hub_subscriptions": 10_000 // scale}
        wiring.db.close()
    machine.kill()
    record("latency", figures)


def _nothing_is_news(wiring: Wiring) -> None:
    """Subscribers of the hub have what the feeds show now."""
    with wiring.db.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE hub_topic SET pushed_etag = artifact.etag FROM artifact"
            " WHERE artifact.feed_id = hub_topic.feed_id AND artifact.format = hub_topic.format"
        )


def rounds(wiring: Wiring, drafts: list[int], ports: tuple[int, int], seen: Queue[Seen]) -> dict[str, float]:
    times: dict[str, list[float]] = {"publish": [], "feeds": [], "first_push": [], "pushes": [], "first_mail": []}
    with wiring.db.reading() as session:
        followed = session.scalar(
            select(func.count())
            .select_from(HubSubscription)
            .join(HubTopic)
            .join(Feed)
            .where(Feed.name.in_(feeds_of_a_probe()))
        )
    for number, entry_id in enumerate(drafts, 1):
        if cadence := CUTS.get(number - WARM):
            for issue_id in issues.cut(wiring.db, cadence, now=True):
                wiring.db.ring("digests.freeze", issue_id)
        watches = [Watch(port, number) for port in ports]
        for watch in watches:
            watch.start()
        began = time.time()
        publish(wiring.db, wiring.base_url, [entry_id])
        published = time.time()
        pushes, mails, deadline = [], [], published + PATIENCE
        while time.time() < deadline and (len(pushes) < (followed or 0) or not mails):
            while not seen.empty():
                one = seen.get()
                if one.probe == number:
                    (pushes if one.kind == "push" else mails).append(one.at - published)
            time.sleep(0.005)
        for watch in watches:
            watch.join()
        shown = max(watch.shown for watch in watches) - published
        print(
            f"probe {number}: feeds {shown:.2f} s, {len(pushes)}/{followed} pushes {min(pushes, default=99):.2f} to "
            f"{max(pushes, default=99):.2f} s, mail {min(mails, default=99):.2f} s",
            flush=True,
        )
        if number > WARM:
            times["publish"].append(published - began)
            times["feeds"].append(shown)
            times["first_push"].append(min(pushes, default=PATIENCE))
            times["pushes"] += pushes
            times["first_mail"].append(min(mails, default=PATIENCE))
        time.sleep(1)
    figures: dict[str, float] = {"probes": len(drafts) - WARM, "pushes_received": len(times["pushes"])}
    for name, taken in times.items():
        ordered = sorted(taken)
        figures[f"{name}_median_ms"] = round(statistics.median(ordered) * 1000, 1)
        figures[f"{name}_p99_ms"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 1)
    return figures


def notice(wiring: Wiring) -> dict[str, float]:
    """The notice changes: until every feed is rendered with it."""
    began = time.time()
    changed = threading.Thread(
        target=set_notice,
        args=(wiring.db, wiring.base_url, 1, "en", "{{ name }} takes no orders from anybody who gives it money."),
    )
    changed.start()
    time.sleep(0.2)
    owed, feeds = 1, 0
    while owed and time.time() - began < 120:
        with wiring.db.reading() as session:
            owed = session.scalar(select(func.count()).where(Feed.rendered_seq < Feed.wanted_seq)) or 0
            feeds = session.scalar(select(func.count()).select_from(Feed)) or 0
        time.sleep(0.05)
    took = time.time() - began
    changed.join()
    with wiring.db.reading() as session:
        waiting = session.scalar(select(func.count()).where(Push.state.in_(("pending", "sending")))) or 0
    return {
        "feeds": feeds,
        "notice_last_feed_s": round(took, 2),
        "notice_feeds_owed": owed,
        "notice_pushes_waiting": waiting,
    }


if __name__ == "__main__":
    main()
