"""The sample publication: it comes in without a word of complaint, in all forms, and goes out with the notice once."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from syndication import publishing
from syndication.feeds.disclaimers import count_html
from syndication.intake.importer import import_paths
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Draft, Entry, Feed
from syndication.ledger.db import Database
from syndication.ledger.lookup import content_of
from syndication.settings import Settings

SEEDS = Path(__file__).parents[2] / "seeds"


@pytest.mark.sqlite_only
def test_the_sample_publication(db: Database) -> None:
    report = import_paths(db, [SEEDS], settings=Settings())
    assert report.failures == []
    assert report.warnings == []
    assert len(report.created) == 8
    assert {Path(e.source).suffix for e in report.created} == {".txt", ".md", ".html"}
    with db.reading() as session:
        contents = [content_of(d) for d in session.scalars(select(Draft))]
        scheduled = list(session.scalars(select(Entry.slug).where(Entry.state == "scheduled")))
        drafts = list(session.scalars(select(Entry.id).where(Entry.state == "draft")))
    assert scheduled == ["the-bridge-that-waits"]
    assert sum(len(c.images) for c in contents) == 3
    assert all(image.alt and image.caption and image.credit for c in contents for image in c.images)
    assert sum("<table>" in c.body_html for c in contents) == 2
    assert {c.language for c in contents} == {None, "de"}
    assert any(len(c.authors) == 2 for c in contents)
    assert any(c.related and c.related[0].url for c in contents)
    publishing.publish(db, "http://127.0.0.1:8000", drafts)
    with db.reading() as session:
        feed = session.scalars(select(Feed).where(Feed.name == "all")).one()
        items = orjson.loads(gzip.decompress(session.get_one(Artifact, (feed.id, "json")).gzip))["items"]
        for item in items:
            assert count_html(item["content_html"], notices.current(session, 1, item["language"]).text) == 1
    assert len(items) == 7
    assert "Bridge" not in str(items)
