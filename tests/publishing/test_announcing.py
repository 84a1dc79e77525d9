"""A correction and a withdrawal told by an entry of their own: which ones, once, with an id that stays, mailed to nobody."""

from __future__ import annotations

import gzip

import orjson
import pytest
from lxml import etree
from sqlalchemy import select

from syndication import publishing
from syndication.embargo import publish_due
from syndication.feeds import artifacts
from syndication.feeds.disclaimers import count_html
from syndication.feeds.formats import FORMATS
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Entry, Feed, Publication
from syndication.ledger.db import Database
from tests.publishing.conftest import NewEntry, redraft

BASE = "https://n.example"


def shown(db: Database, name: str = "all", fmt: str = "json") -> bytes:
    with db.reading() as session:
        query = (
            select(Artifact.gzip)
            .join(Feed, Feed.id == Artifact.feed_id)
            .where(Feed.name == name, Artifact.format == fmt)
        )
        return gzip.decompress(session.scalars(query).one())


def titles(db: Database) -> list[str]:
    return [item["title"] for item in orjson.loads(shown(db))["items"]]


def change(db: Database, entry: int, summary: str = "The fare was 3 €, not 5 €.", severity: str = "correction") -> None:
    with db.transaction() as session:
        redraft(session, entry, title="On one", body_html=f"<p>{summary} {severity}</p>", topics=("Fares",))
    publishing.correct(db, BASE, entry, summary, severity=severity)


def test_a_correction_is_told_once_with_a_link_and_the_notice(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one")])
    change(db, 1)
    assert titles(db) == ["On one"]  # killed here, the act is whole and the rest is owed
    publish_due(db, BASE)
    publish_due(db, BASE)
    assert titles(db) == ["Correction: On one", "On one"]
    told = orjson.loads(shown(db))["items"][0]
    assert f'<a href="{BASE}/series/ferries/one/">On one</a>' in told["content_html"]
    assert "The fare was 3 €, not 5 €." in told["content_html"]
    assert told["id"] == "tag:tideway.example,2026-01-01:correction:1:2"
    assert told["tags"] == ["Fares"]
    with db.reading() as session:
        notice = notices.current(session, 1, "en").text
        about = session.scalars(select(Entry).where(Entry.tag_uri == told["id"])).one()
        assert about.mail_seq is None  # mailed to nobody
    for fmt in FORMATS:
        assert [count_html(text, notice) for text in FORMATS[fmt].full_texts(shown(db, "all", fmt))] == [1, 1]
    change(db, 1, "Another.")
    publish_due(db, BASE)
    assert titles(db)[:2] == ["Correction: On one", "Correction: On one"]


def test_a_typo_is_told_nowhere(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one")])
    change(db, 1, severity="typo")
    assert publish_due(db, BASE) == []
    assert titles(db) == ["On one"]


def test_a_retraction_is_called_so(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one")])
    change(db, 1, severity="retraction")
    publish_due(db, BASE)
    assert titles(db) == ["Retraction: On one", "On one"]
    told = orjson.loads(shown(db))["items"][0]
    assert "was retracted on" in told["content_html"]
    assert f'<a href="{BASE}/series/ferries/one/">On one</a>' in told["content_html"]


def test_it_is_mailed_where_somebody_says_so(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one")], mail=False)
    publishing.withdraw(db, BASE, 1, "It was wrong.", severity="retraction", mail=True)
    publish_due(db, BASE)
    with db.reading() as session:
        told = session.scalars(select(Entry).where(Entry.identity.startswith("withdrawal:1:"))).one()
        assert told.mail_seq == told.seq


def test_a_withdrawal_is_told_and_taken_back(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one", language="de"), new_entry("two")])
    with db.transaction() as session:
        publishing.add_notice(session, session.get_one(Publication, 1), "de", "{{ name }} spricht für sich.")
    publishing.withdraw(db, BASE, 1, "Es war falsch.", severity="retraction")
    publish_due(db, BASE)
    assert titles(db) == ["Zurückgezogen: On one", "On two"]
    told = orjson.loads(shown(db))["items"][0]
    assert "Es war falsch." in told["content_html"]
    assert "/series/ferries/one/" not in told["content_html"]
    publishing.publish(db, BASE, [1])
    assert titles(db) == ["On two", "On one"]


@pytest.mark.parametrize("severity", ["typo", "retraction"])
def test_only_partners_are_told_in_the_words_of_rfc_6721(db: Database, new_entry: NewEntry, severity: str) -> None:
    with db.transaction() as session:
        artifacts.ensure_feed(session, session.get_one(Publication, 1), "scope-1", "scope", [1], private=True)
    publishing.publish(db, BASE, [new_entry("one"), new_entry("two", series=2)])
    publishing.withdraw(db, BASE, 1, "It was wrong.", severity=severity)
    publishing.withdraw(db, BASE, 2, "Elsewhere.")
    publishing.catch_up(db, BASE)
    [gone] = etree.fromstring(shown(db, "scope-1", "atom")).findall(
        "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
    )
    with db.reading() as session:
        entry = session.get_one(Entry, 1)
        assert entry.withdrawn_at is not None
        assert (gone.get("ref"), gone.get("when")) == (entry.tag_uri, entry.withdrawn_at.isoformat())
    assert "".join(gone.itertext()) == "It was wrong."
    for name in ("all", "ferries"):
        assert b"tombstones" not in shown(db, name, "atom")
