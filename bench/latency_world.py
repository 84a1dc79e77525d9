"""The world of `bench/latency.py`: an archive, feeds of every kind, people, machines, written into the ledger by its own
means; the machines that are pushed to, and the relay."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.queues import Queue
from typing import NamedTuple

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from syndication.content import EntryContent
from syndication.feeds.disclaimers import STANDARD
from syndication.feeds.scope import index
from syndication.ledger.db import Database
from syndication.ledger.tables import Draft, Entry, Feed, HubSubscription, Publication, Revision, Series
from syndication.publishing import add_notice
from syndication.push.fanout import target_hash, topic_of

SERIES, AUTHORS, TOPICS = 100, 200, 600
NAMED = 97  # with `all`, one language, and those above: 1,000 less what ROUND adds
HOSTS = 100
LONG = 3_000  # entries of full length, the newest
SENTENCE = "The ferry left the quay at half past six, late as ever, and the river carried its wake into the reeds. "
_PROBE = re.compile(rb"Probe (\d+) of")


def feeds_of_a_probe() -> list[str]:
    """The ten feeds that a probe touches."""
    return ["all", "s1", "by.author-1", "on.topic-1", "on.topic-2", "on.topic-3", "in.en", "own-1", "own-2", "own-3"]


def fill(db: Database, *, entries: int, people: int, hub: int, probes: int, port: int) -> list[int]:
    """Everything published and mailed already; the ids of `probes` drafts. Hub callbacks lie at `port` of 127.0.1.x."""
    now = datetime.now(UTC).replace(microsecond=0)
    with db.transaction() as session:
        publication = Publication(
            id=1, slug="tideway", name="Tideway Institute", url="https://tideway.example", language="en", timezone="UTC",
            supporters_url="https://tideway.example/s", postal_address="1 Quay, Porto", tag_authority="tideway.example",
            mail_from="Tideway <series@tideway.example>", reply_to="desk@tideway.example", tag_date="2026-01-01",
            seq=entries, last_updated=now - timedelta(minutes=1), created_at=now - timedelta(days=3_000),
            daily_at=f"{(now + timedelta(hours=3)).hour:02}:00",
            weekly_on=f"{now + timedelta(days=3):%A}".lower(),
        )  # fmt: skip
        session.add(publication)
        session.flush()
        add_notice(session, publication, "en", STANDARD["en"])
        session.add_all(
            Series(id=n, publication_id=1, slug=f"s{n}", title=f"Crossings {n}", created_at=now)
            for n in range(1, SERIES + 1)
        )
        session.flush()
        _archive(session, entries, now)
        _feeds(session, publication)
        drafts = [_probe(session, entries + n, n, now) for n in range(1, probes + 1)]
        _people(session, people, entries, now)
    with db.transaction() as session:
        _machines(session, hub, now, port)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return drafts


def _content(title: str, sentences: int, n: int) -> dict[str, object]:
    return {**_body(sentences, n % AUTHORS, n % TOPICS), "title": title}


@cache
def _body(sentences: int, author: int, topic: int) -> dict[str, object]:
    made = EntryContent.model_validate(
        {"title": "T", "standfirst": "They float.", "body_html": f"<p>{SENTENCE * sentences}</p>",
         "authors": [{"name": f"Author {author + 1}"}], "topics": [f"Topic {topic + 1}"]}
    )  # fmt: skip
    return made.model_dump(mode="json")


def _archive(session: Session, entries: int, now: datetime) -> None:
    start = now - timedelta(minutes=10 * entries + 10)
    for first in range(1, entries + 1, 5_000):
        ids = range(first, min(first + 5_000, entries + 1))
        at = {n: start + timedelta(minutes=10 * n) for n in ids}
        session.execute(
            insert(Entry),
            [
                {"id": n, "publication_id": 1, "series_id": n % SERIES + 1, "identity": f"{n}", "slug": f"e{n}", "seq": n,
                 "tag_uri": f"tag:tideway.example,2026-01-01:{n}", "state": "published", "mail_seq": n,
                 "published_at": at[n], "updated_at": at[n], "created_at": at[n]}
                for n in ids
            ],
        )  # fmt: skip
        session.execute(
            insert(Revision),
            [
                {"id": n, "entry_id": n, "number": 1, "title": f"Crossing {n}", "source_hash": "", "created_at": at[n],
                 "content": _content(f"Crossing {n}", 40 if n > entries - LONG else 2, n)}
                for n in ids
            ],
        )  # fmt: skip
    session.execute(text("UPDATE entry SET revision_id = id"))
    for table in ("entry", "revision"):
        session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {entries})"))
    for key in (f"'series:s' || (id % {SERIES} + 1)", f"'author:author-' || (id % {AUTHORS} + 1)",
                f"'topic:topic-' || (id % {TOPICS} + 1)", "'language:en'"):  # fmt: skip
        session.execute(text(f"INSERT INTO mark (entry_id, key) SELECT id, {key} FROM entry"))


def _feeds(session: Session, publication: Publication) -> None:
    def add(name: str, kind: str, series: list[int], wants: list[list[str]]) -> None:
        feed = Feed(
            publication_id=1, name=name, kind=kind, series_ids=series, wants=wants, title="" if series else name,
            wanted_seq=publication.seq,
        )  # fmt: skip
        session.add(feed)
        session.flush()
        index(session, feed)

    add("all", "all", [], [])
    add("in.en", "mark", [], [["language:en"]])
    for n in range(1, SERIES + 1):
        add(f"s{n}", "series", [n], [])
    for prefix, kind, many in (("by", "author", AUTHORS), ("on", "topic", TOPICS)):
        for n in range(1, many + 1):
            add(f"{prefix}.{kind}-{n}", "mark", [], [[f"{kind}:{kind}-{n}"]])
    own = [["author:author-1"]], [["topic:topic-1"]], [["topic:topic-2", "topic:topic-3"]]
    for n in range(1, NAMED + 2):
        add(f"own-{n}", "named", [], own[n - 1] if n <= len(own) else [[f"topic:topic-{n * 5}"], [f"series:s{n}"]])


def _probe(session: Session, entry_id: int, number: int, now: datetime) -> int:
    """A draft that touches `feeds_of_a_probe`."""
    session.add(
        Entry(
            id=entry_id, publication_id=1, series_id=1, identity=f"probe{number}", slug=f"probe{number}",
            tag_uri=f"tag:tideway.example,2026-01-01:probe{number}", created_at=now,
        )
    )  # fmt: skip
    session.flush()
    content = _content(f"Probe {number} of the water", 40, 0) | {"topics": ["Topic 1", "Topic 2", "Topic 3"]}
    session.add(Draft(entry_id=entry_id, content=content, source="", source_hash=f"p{number}", imported_at=now))
    session.flush()
    return entry_id


def _people(session: Session, people: int, cursor: int, now: datetime) -> None:
    """The nth follows series n / 3 of them at the cadence n mod 3; daily and weekly ones wait for the newest hundred."""
    stamp = f"'{now.isoformat()}'::timestamptz"
    address = "'p' || n || '@d' || (n % 50) || '.example'"
    series = f"(n / 3) % {SERIES} + 1"
    session.execute(text(
        f"INSERT INTO subscriber (id, publication_id, address, address_key, domain, name, language, timezone, handle, demo,"
        f" created_at) SELECT n, 1, {address}, {address}, 'd' || (n % 50) || '.example', '', 'en', 'UTC',"
        f" decode(md5(n::text), 'hex'), false, {stamp} FROM generate_series(1, {people}) AS g(n)"
    ))  # fmt: skip
    session.execute(text(
        f"INSERT INTO subscription (subscriber_id, timezone, series_id, scope, cadence, state, cursor, cursor_was, shields,"
        f" asked_at, active_at, ended_reason) SELECT n, 'UTC', {series}, {series},"
        f" (ARRAY['at-once', 'daily', 'weekly'])[n % 3 + 1], 'active',"
        f" CASE n % 3 WHEN 0 THEN {cursor} ELSE {cursor} - {SERIES} END, 0, true, {stamp}, {stamp}, ''"
        f" FROM generate_series(1, {people}) AS g(n)"
    ))  # fmt: skip


def _machines(session: Session, hub: int, now: datetime, port: int) -> None:
    feeds = session.query(Feed).order_by(Feed.id).all()
    topics = [topic_of(session, feed.id, "atom").id for feed in feeds]
    rows = []
    for n in range(hub):
        callback = f"http://127.0.1.{1 + n % HOSTS}:{port}/{n}"
        rows.append(
            {"topic_id": topics[n % len(topics)], "callback": callback, "callback_hash": target_hash(callback),
             "secret": b"s" * 32, "state": "active", "lease_until": now + timedelta(days=5), "active_at": now, "failures": 0}
        )  # fmt: skip
    session.execute(insert(HubSubscription), rows)


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
