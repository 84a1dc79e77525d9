"""Publishing one entry costs the same with 10 or 100,000 entries in the archive.

Three ledgers, alike but for the size of their archive (10, 100 and 100,000), are published into in turn, entry by entry; the
figures are ratios of the medians. The feeds of the smallest are not full yet, so that 100 is the fair comparison.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import insert

from bench.record import flags, record
from syndication import clock, publishing
from syndication.content import EntryContent
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger.content import Draft, Entry, Publication, Revision, Series
from syndication.ledger.db import Database
from syndication.ledger.tables import Base

BASE = "http://127.0.0.1:8000"
BODY = "<p>" + "The tide comes in twice a day and the timetable does not. " * 8 + "</p>"
SERIES = 2
ROUNDS = 30


def ledger(folder: Path, archive: int) -> Database:
    """A publication of two series with `archive` published entries of about 5 kB, and ROUNDS drafts to publish."""
    db = Database(f"sqlite:///{folder / f'{archive}.sqlite3'}")
    Base.metadata.create_all(db.engine)
    start = datetime(2000, 1, 1, tzinfo=UTC)
    text = EntryContent(title="On tides", standfirst="Twice a day.", body_html=BODY * 10).model_dump(mode="json")
    with db.transaction() as session:
        publication = Publication(
            slug="p", name="Tideway Institute", url="https://t.example", language="en", timezone="UTC",
            supporters_url="https://t.example/s", mail_from="a@t.example", tag_authority="t.example",
            tag_date="2026-01-01", seq=archive, last_updated=start + timedelta(minutes=archive), created_at=start,
        )  # fmt: skip
        session.add(publication)
        session.flush()
        for n in range(1, SERIES + 1):
            session.add(
                Series(id=n, publication_id=publication.id, slug=f"s{n}", title=f"Series {n}", created_at=start)
            )
            session.flush()
            ensure_feed(session, publication, f"s{n}", "series", [n])
        ensure_feed(session, publication, "all", "all", [])
        publishing.add_notice(session, publication, "en", STANDARD["en"])
        for first in range(0, archive, 5_000):
            ids = range(first + 1, min(first + 5_000, archive) + 1)
            session.execute(
                insert(Entry),
                [
                    {
                        "id": n, "publication_id": publication.id, "series_id": n % SERIES + 1, "identity": f"{n}",
                        "tag_uri": f"tag:t.example,2026-01-01:{n}", "slug": f"e{n}", "state": "published", "seq": n,
                        "mail_seq": n, "published_at": start + timedelta(minutes=n),
                        "updated_at": start + timedelta(minutes=n), "created_at": start,
                    }
                    for n in ids
                ],
            )  # fmt: skip
            session.execute(
                insert(Revision),
                [
                    {"id": n, "entry_id": n, "number": 1, "title": "On tides", "content": text, "source_hash": "x",
                     "created_at": start}
                    for n in ids
                ],
            )  # fmt: skip
        session.connection().exec_driver_sql("UPDATE entry SET revision_id = id")
        for n in range(archive + 1, archive + ROUNDS + 1):
            session.add(
                Entry(
                    id=n,
                    publication_id=publication.id,
                    series_id=n % SERIES + 1,
                    identity=f"{n}",
                    slug=f"e{n}",
                    tag_uri=f"tag:t.example,2026-01-01:{n}",
                    created_at=start,
                )
            )
            session.flush()
            session.add(Draft(entry_id=n, content=text, source="x", source_hash="x", imported_at=clock.now()))
    with db.transaction() as session:
        session.connection().exec_driver_sql("ANALYZE")
    return db


def main() -> None:
    small = flags(__doc__, small="an archive of 2,000; results/ stays as it is").small
    large = 2_000 if small else 100_000
    times: dict[int, list[float]] = {10: [], 100: [], large: []}
    with tempfile.TemporaryDirectory() as folder:
        ledgers = {size: ledger(Path(folder), size) for size in times}
        for n in range(1, ROUNDS + 1):
            for size, db in ledgers.items():
                began = time.perf_counter()
                publishing.publish(db, BASE, [size + n])
                times[size].append(time.perf_counter() - began)
    ten, hundred, most = (statistics.median(t[5:]) * 1000 for t in times.values())
    record(
        "publish",
        {
            "archive_entries": large,
            "median_ms_archive_10": round(ten, 2),
            "median_ms_archive_100": round(hundred, 2),
            "median_ms_archive_large": round(most, 2),
            "ratio_large_to_10": round(most / ten, 3),
            "ratio_large_to_100": round(most / hundred, 3),
        },
        whole=not small,
    )


if __name__ == "__main__":
    main()
