"""Beat on every host: the one that holds the seat dies without a word, and another goes on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from syndication import clock
from syndication.ledger.db import Database
from syndication.ledger.operations import Chair
from tests.faults.servers import OwnBroker
from tests.service import PUBLICATION, Service


def test_another_beat_takes_over(tmp_path: Path, fresh_postgresql: str, broker: OwnBroker) -> None:
    tree = tmp_path / "tree"
    (tree / "boats").mkdir(parents=True)
    (tree / "publication.toml").write_text(PUBLICATION)
    (tree / "boats/series.toml").write_text('title = "Boats"')
    (tree / "boats/late.txt").write_text("The late boat\n\nWhy.\n\nPart of a Series\n\nIt comes.\n")
    db = Database(fresh_postgresql)

    def seated() -> str:
        with db.reading() as session:
            return session.scalar(select(Chair.holder)) or ""

    with Service(tmp_path, database=fresh_postgresql, broker=broker.url, mail=f"maildir:{tmp_path / 'out'}") as service:
        service.cli("init")
        service.cli("import", str(tree))
        service.start("publish-worker", "beat.1", "beat.2")
        first = service.until(seated, "a beat in the seat")
        service.until(lambda: all(service.pids(f"beat.{n}") for n in (1, 2)), "both beats run")
        name = next(n for n in ("beat.1", "beat.2") if first.endswith(f":{service.running[n].pid}"))
        service.cli("schedule", "boats/late", (clock.now() + timedelta(seconds=8)).isoformat())
        service.kill(name)
        service.until(lambda: seated() != first, "another one in the seat")
        service.until(
            lambda: [entry for entry in service.cli("entries") if entry["state"] == "published"],
            "the entry published by the sweep of the second beat",
        )
    db.close()
