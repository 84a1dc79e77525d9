"""From an entry that is published to its feeds on every web process, to WebSub subscribers, to the first mail at the relay.

`syndicate up` with PostgreSQL and a second web process; 100,000 entries, 1,000 feeds, 10,000 hub subscriptions, 100,000
subscribers. Each probe touches ten feeds; all times run from the commit of its publish, `act` is how long that took. Two
hundred probes go out while a cut runs beside them: a daily and a weekly digest in turn, each frozen and mailed for a third of
the people; twenty before that without one (`alone`). Percentiles are by nearest rank. Then the notice changes: how long
until the last of the 1,000 feeds has it.
"""

from __future__ import annotations

import http.client
import math
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from multiprocessing.queues import Queue
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests
from sqlalchemy import exists, func, or_, select, text

from bench.latency_world import Seen, feeds_of_a_probe, fill, listen
from bench.poll import free_port
from bench.record import flags, record
from syndication.digests import issues
from syndication.ledger.db import Database
from syndication.ledger.tables import Delivery, Feed, HubSubscription, HubTopic, Issue, Publication
from syndication.press import touch
from syndication.publishing import add_notice, catch_up, publish, readdress
from syndication.settings import read_settings
from syndication.wiring import Wiring, open_wiring
from tests.faults.servers import postgresql_of_ones_own

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 20.0
WARM = 3  # probes that are not counted: processes import and plan
BETWEEN = 0.3  # seconds


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
    small = flags(__doc__, small="a twentieth of everything, few probes; nothing is written down").small
    scale, alone, beside = (20, 3, 6) if small else (1, 20, 200)
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
            wiring.db, entries=100_000 // scale, people=100_000 // scale, hub=10_000 // scale, probes=WARM + alone + beside,
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
            figures = rounds(wiring, drafts, alone, (port, second_port), seen)
            figures |= notice(wiring)
        figures |= {"entries": 100_000 // scale, "people": 100_000 // scale, "hub_subscriptions": 10_000 // scale}
        wiring.db.close()
    machine.kill()
    record("latency", figures, whole=not small)


def _nothing_is_news(wiring: Wiring) -> None:
    """Subscribers of the hub have what the feeds show now."""
    with wiring.db.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE hub_topic SET pushed_etag = artifact.etag FROM artifact"
            " WHERE artifact.feed_id = hub_topic.feed_id AND artifact.format = hub_topic.format"
        )


class Cuts:
    """Daily and weekly digests in turn, each for everybody at that cadence, so that one is always under way."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._cadences = cycle(("daily", "weekly"))
        self._issue = 0
        self.done = 0

    def under_way(self) -> bool:
        with self._wiring.db.reading() as session:
            rest = exists().where(Delivery.issue_id == Issue.id, Delivery.state.in_(("pending", "sending", "deferred")))
            begun = or_(Issue.state.in_(("cut", "freezing")), rest)
            return session.scalar(select(Issue.id).where(Issue.id == self._issue, begun)) is not None

    def keep_going(self) -> None:
        """Cuts the next one where the last is all sent: its people are owed the same entries once more."""
        if self.under_way():
            return
        cadence = next(self._cadences)
        with self._wiring.db.transaction() as session:
            behind = text(
                "UPDATE subscription SET cursor = cursor_was WHERE cadence = :cadence AND moved_by IS NOT NULL"
            )
            session.execute(behind, {"cadence": cadence})
        (self._issue,) = issues.cut(self._wiring.db, cadence, now=True)
        self.done += 1


def rounds(
    wiring: Wiring, drafts: list[int], alone: int, ports: tuple[int, int], seen: Queue[Seen]
) -> dict[str, float]:
    """The figures of all probes: `WARM` ones, `alone` without a cut, the rest beside one."""
    beside: dict[str, list[float]] = defaultdict(list)
    quiet: dict[str, list[float]] = defaultdict(list)
    cuts = Cuts(wiring)
    with wiring.db.reading() as session:
        query = select(func.count()).select_from(HubSubscription).join(HubTopic).join(Feed)
        followed = session.scalar(query.where(Feed.name.in_(feeds_of_a_probe()))) or 0
    for number, entry_id in enumerate(drafts, 1):
        if number > WARM + alone:
            cuts.keep_going()
        took = probe(wiring, number, entry_id, followed, ports, seen)
        told = ", ".join(f"{name} {max(times):.2f}" for name, times in took.items())
        print(f"probe {number}: {told} s; {len(took['pushes'])} of {followed} pushes", flush=True)
        for name, times in took.items():
            if number > WARM:
                (quiet if number <= WARM + alone else beside)[name] += times
        time.sleep(BETWEEN)
    while cuts.under_way():
        time.sleep(0.1)
    figures: dict[str, float] = {"probes": len(beside["feeds"]), "probes_alone": alone, "cuts": cuts.done}
    for suffix, times_of in (("", beside), ("_alone", quiet)):
        for name, times in times_of.items():
            ordered = sorted(times)
            figures[f"{name}{suffix}_median_ms"] = round(statistics.median(ordered) * 1000, 1)
            figures[f"{name}{suffix}_p99_ms"] = round(ordered[math.ceil(len(ordered) * 0.99) - 1] * 1000, 1)
            figures[f"{name}{suffix}_worst_ms"] = round(ordered[-1] * 1000, 1)
    return figures


def probe(
    wiring: Wiring, number: int, entry_id: int, followed: int, ports: tuple[int, int], seen: Queue[Seen]
) -> dict[str, list[float]]:
    """Publishes one; what it took, in seconds."""
    watches = [Watch(port, number) for port in ports]
    for watch in watches:
        watch.start()
    began = time.time()
    publish(wiring.db, wiring.base_url, [entry_id])
    published = time.time()
    pushes: list[float] = []
    mails: list[float] = []
    while time.time() < published + PATIENCE and (len(pushes) < followed or not mails):
        while not seen.empty():
            one = seen.get()
            if one.probe == number:
                (pushes if one.kind == "push" else mails).append(one.at - published)
        time.sleep(0.005)
    for watch in watches:
        watch.join()
    return {
        "act": [published - began],
        "feeds": [max(watch.shown for watch in watches) - published],
        "first_push": [min(pushes, default=PATIENCE)],
        "pushes": pushes,
        "first_mail": [min(mails, default=PATIENCE)],
    }


def notice(wiring: Wiring) -> dict[str, float]:
    """The notice changes: from the commit until the workers have rendered every feed with it."""
    words = "{{ name }} takes no orders from anybody who gives it money."
    began = time.time()
    with wiring.db.transaction() as session:
        add_notice(session, session.get_one(Publication, 1), "en", words)
        touch(session, 1)
    changed = time.time()
    owed = 1
    while owed and time.time() < changed + 120:
        time.sleep(0.05)
        with wiring.db.reading() as session:
            owed = session.scalar(select(func.count()).where(Feed.rendered_seq < Feed.wanted_seq)) or 0
            feeds = session.scalar(select(func.count()).select_from(Feed)) or 0
    return {
        "feeds": feeds,
        "notice_act_s": round(changed - began, 2),
        "notice_last_feed_s": round(time.time() - changed, 2),
        "notice_feeds_owed": owed,
    }


if __name__ == "__main__":
    main()
