"""Four processes claim at once, on both databases, and no delivery is claimed twice (guarantee 3 begins here)."""

from __future__ import annotations

import multiprocessing
import time
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from queue import Queue

from syndication import clock
from syndication.ledger import claims
from syndication.ledger.content import Publication
from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery

DELIVERIES, PROCESSES, SLICE = 2_000, 4, 20


def claim_all(url: str, name: str, together: Barrier, found: Queue[list[int]]) -> None:
    """What a worker does until nothing is due; tells the ids it was given."""
    db = Database(url)
    mine: list[int] = []
    together.wait(60)
    while True:
        with db.transaction() as session:
            claim = claims.claim(
                session, host="h", journal=name, size=SLICE, lease_seconds=600, kinds=("transactional",)
            )
        if claim is None:
            break
        mine += [row.id for row in claim.rows]
        time.sleep(0.005)  # it sends; else one process may take all before another has begun
    db.close()
    found.put(mine)


def test_four_processes_claim_nothing_twice(db: Database) -> None:
    now = clock.now() - timedelta(minutes=1)
    with db.transaction() as session:
        session.add(
            Publication(
                id=1, slug="p", name="P", url="https://p.example", language="en", timezone="UTC", mail_from="p@p.example",
                tag_authority="p.example", tag_date="2026", created_at=now,
            )
        )  # fmt: skip
        session.flush()
        session.add_all(
            Delivery(publication_id=1, kind="transactional", priority=0, state="pending", due_at=now, created_at=now)
            for _ in range(DELIVERIES)
        )
    context = multiprocessing.get_context("spawn")
    together, found = context.Barrier(PROCESSES), context.Queue()
    workers = [context.Process(target=claim_all, args=(db.url, f"j{n}", together, found)) for n in range(PROCESSES)]
    for worker in workers:
        worker.start()
    given = [found.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(60)
    everything = [id_ for mine in given for id_ in mine]
    assert len(everything) == DELIVERIES
    assert len(set(everything)) == DELIVERIES
    assert sum(1 for mine in given if mine) >= 2  # they did claim side by side
