"""What `syndicate up` does before it says ready: import a tree, make demo people, publish, render for its address."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import select

from syndication.cli.output import progress, say
from syndication.cli.publishing import publish_through_workers, workers_seen
from syndication.embedded.demo import make_demo_people
from syndication.errors import SyndicationError
from syndication.ledger.bulk import among
from syndication.ledger.content import Entry, Publication
from syndication.publishing import rerender_all
from syndication.wiring import Wiring

WORKER_SECONDS = 20.0  # how long the first worker may take to be seen


def prepare(wiring: Wiring, tree: Path | None, look: Callable[[], None]) -> None:
    """`look` keeps the processes running meanwhile. What is wrong with a document is told and keeps nothing else back."""
    ids = _import(wiring, tree) if tree is not None else []
    if not _has_publication(wiring):
        return
    rerender_all(wiring.db, wiring.base_url, wiring.settings.other_hubs)
    if wiring.settings.shows_workbench:
        for line in make_demo_people(wiring):
            say(line)
    _publish(wiring, ids, look)
    rerender_all(wiring.db, wiring.base_url, wiring.settings.other_hubs)


def _import(wiring: Wiring, tree: Path) -> list[int]:
    from syndication.intake.importer import import_paths

    with progress(f"importing {tree}") as moved:
        report = import_paths(wiring.db, [tree], settings=wiring.settings, progress=moved)
    for failure in report.failures:
        sys.stderr.write(f"not imported: {failure.source}: {failure.reason}; {failure.remedy}\n")
    say(f"imported {tree}: {len(report.created)} new, {len(report.changed)} changed, {len(report.unchanged)} unchanged")
    return [entry.entry_id for entry in report.entries]


def _publish(wiring: Wiring, ids: Sequence[int], look: Callable[[], None]) -> None:
    with wiring.db.reading() as session:
        drafts = list(session.scalars(select(Entry.id).where(among(session, Entry.id, ids), Entry.state == "draft")))
    if not drafts:
        return
    deadline = time.monotonic() + WORKER_SECONDS
    while not workers_seen(wiring.db, "publish") and time.monotonic() < deadline:
        look()
        time.sleep(0.05)
    try:
        with progress("publishing") as moved:
            publish_through_workers(wiring, drafts, mail=True, progress=moved)
    except SyndicationError as error:
        sys.stderr.write(f"not published: {error}\n")
        return
    say(f"published {len(drafts)} {'entry' if len(drafts) == 1 else 'entries'}")


def _has_publication(wiring: Wiring) -> bool:
    with wiring.db.reading() as session:
        return session.scalars(select(Publication.id).limit(1)).first() is not None
