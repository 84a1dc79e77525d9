"""A publication with published entries, written through `publishing.publish`, and a browser that asks the app."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from syndication import clock
from syndication.content import MediaFile
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.disclaimers import STANDARD
from syndication.feeds.owing import render_owed
from syndication.ledger.content import Entry, Media, Publication, Series
from syndication.ledger.db import Database
from syndication.ledger.partners import Partner
from syndication.publishing import add_notice, mint_tag, publish, rerender_all
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.web.web_world import BASE, NewEntry, browser, post_digest, redraft


@pytest.fixture
def wiring(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    # On a busy machine a look at the ledger may take a second, and a poll would be answered by what was known before.
    monkeypatch.setattr("syndication.web.feeds._LONGEST_WAIT", 60.0)
    settings = Settings(data_dir=tmp_path, database_url=db.url, feed_check_seconds=1e-9)
    made = Wiring(settings=settings, base_url=BASE, broker_url="")
    made.__dict__["db"] = db
    return made


@pytest.fixture
def client(wiring: Wiring) -> Iterator[TestClient]:
    with browser(wiring) as client:
        yield client


@pytest.fixture
def publication(db: Database) -> int:
    """Tideway Institute with the series ferries (by part) and floods (newest first) and feeds rendered for BASE."""
    with db.transaction() as session:
        publication = Publication(
            slug="tideway", name="Tideway Institute", url="https://tideway.example", language="en",
            timezone="Europe/Lisbon", supporters_url="https://tideway.example/supporters?a=1&b=2",
            mail_from="series@tideway.example", tag_authority="tideway.example", tag_date="2026-01-01",
            created_at=clock.now(),
        )  # fmt: skip
        session.add(publication)
        session.flush()
        for slug, order in (("ferries", "part"), ("floods", "newest")):
            series = Series(
                publication_id=publication.id, slug=slug, title=slug.title(), order=order, created_at=clock.now(),
                description=f"What {slug} do to a coast.",
            )  # fmt: skip
            session.add(series)
            session.flush()
            ensure_feed(session, publication, slug, "series", [series.id])
        ensure_feed(session, publication, "all", "all", [])
        add_notice(session, publication, "en", STANDARD["en"])
        add_notice(session, publication, "de", STANDARD["de"])
        number = publication.id
    rerender_all(db, BASE)
    return number


@pytest.fixture
def new_entry(db: Database, publication: int) -> NewEntry:
    """Makes a draft, publishes it unless `draft=True`, and gives its id."""

    def new(
        slug: str,
        series: str = "ferries",
        *,
        part: int | None = None,
        published_at: datetime | None = None,
        draft: bool = False,
        media: MediaFile | None = None,
        **content: object,
    ) -> int:
        with db.transaction() as session:
            owner = session.get_one(Publication, publication)
            series_id = session.scalars(select(Series.id).where(Series.slug == series)).one()
            entry = Entry(
                publication_id=publication, series_id=series_id, identity=slug, slug=slug, part=part,
                tag_uri=mint_tag(owner, slug), created_at=clock.now(),
            )  # fmt: skip
            session.add(entry)
            session.flush()
            if media is not None:
                session.add(Media(created_at=clock.now(), **media.model_dump()))
                session.flush()
            redraft(session, entry.id, published_at, **{"title": f"On {slug}", **content})
            number = entry.id
        if not draft:
            publish(db, BASE, [number])
        return number

    return new


@pytest.fixture
def mailed(wiring: Wiring, new_entry: NewEntry) -> tuple[int, int]:
    """(entry, delivery) of an entry that a digest and a partner's feed carried."""
    entry = new_entry("tides", standfirst="Twice a day.")
    with wiring.db.transaction() as session:
        delivery = post_digest(session, wiring.settings, entry)
        feed = ensure_feed(session, session.get_one(Publication, 1), "scope-1", "scope", [1], private=True)
        session.add(
            Partner(
                publication_id=1,
                name="The Quay",
                series_ids=[1],
                feed_id=feed.id,
                token_hash="x",
                created_at=clock.now(),
            )
        )
    render_owed(wiring.db, BASE)
    return entry, delivery
