"""A publication with two series, and a way to bring in a document without a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from syndication import clock
from syndication.content import EntryContent
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger.content import Draft, Entry, Publication, Series
from syndication.ledger.db import Database
from syndication.publishing import add_notice, mint_tag

NewEntry = Callable[..., int]


@pytest.fixture
def publication(db: Database) -> int:
    with db.transaction() as session:
        publication = Publication(
            slug="tideway", name="Tideway Institute", url="https://tideway.example", language="en",
            timezone="Europe/Lisbon", supporters_url="https://tideway.example/supporters?a=1&b=2",
            mail_from="series@tideway.example", tag_authority="tideway.example", tag_date="2026-01-01",
            created_at=clock.now(),
        )  # fmt: skip
        session.add(publication)
        session.flush()
        for slug in ("ferries", "floods"):
            series = Series(publication_id=publication.id, slug=slug, title=slug.title(), created_at=clock.now())
            session.add(series)
            session.flush()
            ensure_feed(session, publication, slug, "series", [series.id])
        ensure_feed(session, publication, "all", "all", [])
        add_notice(session, publication, "en", STANDARD["en"])
        return publication.id


@pytest.fixture
def new_entry(db: Database, publication: int) -> NewEntry:
    def new(slug: str, series: int = 1, published_at: datetime | None = None, **content: object) -> int:
        with db.transaction() as session:
            owner = session.get_one(Publication, publication)
            entry = Entry(
                publication_id=publication, series_id=series, identity=slug, slug=slug, tag_uri=mint_tag(owner, slug),
                created_at=clock.now(),
            )  # fmt: skip
            session.add(entry)
            session.flush()
            redraft(session, entry.id, published_at=published_at, **{"title": f"On {slug}", **content})
            return entry.id

    return new


def redraft(session, entry_id: int, published_at: datetime | None = None, **content: object) -> None:  # type: ignore[no-untyped-def]
    text = EntryContent.model_validate({"title": "T", "body_html": "<p>Water &amp; wind.</p>", **content})
    session.merge(
        Draft(
            entry_id=entry_id,
            content=text.model_dump(mode="json"),
            published_at=published_at,
            source="x",
            source_hash=str(hash(text)),
            imported_at=clock.now(),
        )
    )
