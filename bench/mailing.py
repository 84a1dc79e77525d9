"""What `bench/mail.py` sends: a ledger with one frozen issue, filled by the database's fastest way, and its two workers.

Run as a program it is one of those workers: `python bench/mailing.py` reads its settings from the environment, says `ready`,
waits for a line, sends until nothing is due, and tells what it did as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice, permutations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import text

from syndication.content import EntryContent
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger import schema
from syndication.ledger.db import Database
from syndication.ledger.tables import Edition, EditionEntry, Entry, Issue, Publication, Revision, Series
from syndication.publishing import add_notice

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("Zoë Lindqvist", "李 小龍", "Ana Sousa", "", "Björk O'Neill", "M. Okafor", "Dr. Ivan Petrov, Sofia")
SENTENCE = "The ferry left the quay at half past six, “late as ever”, and the river carried its wake into the reeds. "
ENTRIES = 4  # of an edition
POOL = 12  # entries that many editions draw from


def fill(db: Database, people: int, *, sentences: int, editions: int = ENTRIES) -> None:
    """One frozen issue for `people`, all pending: `editions` editions of `ENTRIES` entries each, dealt at random. Four are
    the same entries in another order; more of them draw from `POOL` entries."""
    entries = ENTRIES if editions <= ENTRIES else POOL
    schema.upgrade(db)
    now = datetime.now(UTC)
    with db.transaction() as session:
        publication = Publication(
            slug="tideway", name="Tideway Institute", url="https://tideway.example", language="en",
            timezone="UTC", supporters_url="https://tideway.example/s", postal_address="1 Quay, Porto",
            mail_from="Tideway <series@tideway.example>", reply_to="desk@tideway.example",
            tag_authority="tideway.example", tag_date="2026-01-01", created_at=now,
        )  # fmt: skip
        session.add(publication)
        session.flush()
        add_notice(session, publication, "en", STANDARD["en"])
        issue = Issue(
            publication_id=1, cadence="daily", slot="s", zones=[], upto_seq=entries, state="frozen", eligible=people,
            cut_at=now, frozen_at=now,
        )  # fmt: skip
        session.add(issue)
        revisions = []
        for n in range(1, entries + 1):
            session.add(Series(id=n, publication_id=1, slug=f"s{n}", title=f"Crossings {n}", created_at=now))
            session.flush()
            session.add(Entry(
                id=n, publication_id=1, series_id=n, identity=f"{n}", tag_uri=f"tag:{n}", slug=f"e{n}", state="published",
                seq=n, mail_seq=n, published_at=now, updated_at=now + timedelta(seconds=n), created_at=now,
            ))  # fmt: skip
            session.flush()
            body = f"<p>{SENTENCE * sentences}</p>"
            content = EntryContent(title=f"Crossing {n}", standfirst="They float.", body_html=body)
            session.add(
                Revision(
                    id=n, entry_id=n, number=1, title=content.title, content=content.model_dump(mode="json"),
                    source_hash="", created_at=now,
                )
            )  # fmt: skip
            session.flush()
            revisions.append(n)
        session.execute(text("UPDATE entry SET revision_id = id"))
        for n, mine in enumerate(islice(permutations(revisions, ENTRIES), editions), 1):
            session.add(
                Edition(
                    id=n, issue_id=1, language="en", notice_id=1, key_hash=f"{n}", revisions=list(mine), created_at=now
                )
            )
            session.flush()
            session.add_all(EditionEntry(edition_id=n, entry_id=r, revision_id=r) for r in mine)
    _people(db, people, now, entries, editions)


def _people(db: Database, people: int, now: datetime, entries: int, editions: int) -> None:
    address = "'p' || n || '@d' || (n % 50) || '.example'"
    names = " ".join(f"WHEN {i} THEN '{name.replace(chr(39), chr(39) * 2)}'" for i, name in enumerate(NAMES))
    name = f"CASE n % {len(NAMES)} {names} END"
    if db.is_sqlite:
        numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {people})"
        source, handle, no = "c", "randomblob(16)", "0"
        stamp = f"'{now.replace(tzinfo=None).isoformat(sep=' ')}'"
    else:
        numbers, source = "", f"generate_series(1, {people}) AS g(n)"
        handle, no, stamp = "decode(md5(n::text), 'hex')", "false", f"'{now.isoformat()}'::timestamptz"
    statements = (
        f"INSERT INTO subscriber (id, publication_id, address, address_key, domain, name, language, timezone, handle, demo,"
        f" created_at) {numbers} SELECT n, 1, {address}, {address}, 'd' || (n % 50) || '.example', {name}, 'en', 'UTC',"
        f" {handle}, {no}, {stamp} FROM {source}",
        f"INSERT INTO subscription (subscriber_id, timezone, scope, cadence, state, cursor, cursor_was, shields, asked_at,"
        f" active_at, ended_reason) {numbers} SELECT n, 'UTC', 0, 'daily', 'active', {entries}, 0, {no}, {stamp},"
        f" {stamp}, '' FROM {source}",
        f"INSERT INTO delivery (publication_id, issue_id, edition_id, subscriber_id, kind, priority, state, attempts, due_at,"
        f" reply, created_at) {numbers} SELECT 1, 1, 1 + CAST(n AS bigint) * 7919 % {editions}, n, 'digest', 1, 'pending', 0,"
        f" {stamp}, '',"
        f" {stamp} FROM {source}",
    )
    with db.transaction() as session:
        for statement in statements:
            session.execute(text(statement))
    if not db.is_sqlite:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))


@contextmanager
def workers(count: int, environment: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """That many worker processes, ready to begin; killed at the end of the block."""
    started = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())], env=os.environ | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(count)
    ]  # fmt: skip
    try:
        for worker in started:
            assert worker.stdout is not None
            if worker.stdout.readline().strip() != "ready":
                raise SystemExit("a worker did not start")
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.wait()


def send_all(count: int, environment: dict[str, str]) -> tuple[float, list[dict[str, float]]]:
    """(seconds from the word to the last worker's last fold, what each told)."""
    with workers(count, environment) as started:
        began = time.perf_counter()
        for worker in started:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        told = [json.loads(worker.stdout.readline() or "{}") for worker in started if worker.stdout is not None]
        return time.perf_counter() - began, told


def main() -> None:
    from syndication.mail.sender import send_due
    from syndication.mail.transport import open_transport
    from syndication.wiring import open_wiring

    wiring = open_wiring()
    with wiring.db.reading() as session:
        session.execute(text("SELECT 1"))
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    sent = 0
    while more := send_due(wiring, open_transport(wiring.settings)):
        sent += more
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "sent": sent,
                "rss_mb": usage.ru_maxrss / 1024,
                "cpu_s": time.process_time() - before,
                "user": usage.ru_utime,
                "sys": usage.ru_stime,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
