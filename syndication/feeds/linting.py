"""The linter at work: on entries that are about to be published, on those that were, on the feeds as they are served."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.errors import BadInput
from syndication.feeds import lint
from syndication.feeds.describing import address_of
from syndication.feeds.lint import Finding
from syndication.feeds.showing import item_of
from syndication.ledger.bulk import among
from syndication.ledger.content import Artifact, Entry, Feed, Publication


def refuse_errors(
    session: Session, publication: Publication, entries: Iterable[Entry], base_url: str, now: datetime
) -> None:
    """Raises BadInput that names entry, place and remedy where a published one has an error."""
    for entry in entries:
        if entry.state != "published" or entry.revision is None:
            continue
        for found in lint.item(item_of(session, publication, entry, base_url), now, base_url):
            if found.level == "error":
                where = f"entry {entry.series.slug}/{entry.slug}, {found.where}"
                raise BadInput(f"{found.what};", where=where, remedy=found.remedy)


def of_entries(
    session: Session, publication: Publication, ids: Sequence[int], base_url: str, now: datetime
) -> list[tuple[str, Finding]]:
    """(series/slug, finding) of published entries."""
    entries = select(Entry).where(among(session, Entry.id, ids), Entry.state == "published").order_by(Entry.id)
    return [
        (f"{entry.series.slug}/{entry.slug}", found)
        for entry in session.scalars(entries).unique()
        for found in lint.item(item_of(session, publication, entry, base_url), now, base_url)
    ]


def of_feeds(session: Session, feeds: Sequence[Feed], base_url: str) -> list[tuple[str, Finding]]:
    """(name.format, finding) of feeds as they are served."""
    found: list[tuple[str, Finding]] = []
    for feed in feeds:
        for artifact in session.scalars(select(Artifact).where(Artifact.feed_id == feed.id).order_by(Artifact.format)):
            body, address = gzip.decompress(artifact.gzip), address_of(feed, base_url, artifact.format)
            found += [(f"{feed.name}.{artifact.format}", one) for one in lint.document(artifact.format, body, address)]
    return found
