"""Publishing: one act, all of it or nothing; ids, dates and mail numbers as promised; embargo and disclaimer held."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import update

from syndication import clock, embargo, press, publishing
from syndication.digests import issues
from syndication.errors import BadInput, Conflict, DisclaimerBreach, NeedsHuman
from syndication.feeds import artifacts, owing
from syndication.feeds.disclaimers import STANDARD, count_html
from syndication.ledger import notices
from syndication.ledger.audience import Subscriber, Subscription
from syndication.ledger.content import Artifact, Draft, Entry, Feed, Publication
from syndication.ledger.db import Database
from tests.publishing.conftest import NewEntry, redraft

BASE = "http://127.0.0.1:8000"


def feed(db: Database, name: str = "all") -> dict:  # type: ignore[type-arg]
    with db.reading() as session:
        row = session.query(Feed).filter_by(name=name).one()
        artifact = session.get_one(Artifact, (row.id, "json"))
        return orjson.loads(gzip.decompress(artifact.gzip))


def entry(db: Database, entry_id: int) -> Entry:
    with db.reading() as session:
        return session.get_one(Entry, entry_id)


def test_a_published_entry_is_in_all_and_in_its_series_with_the_notice_once(db: Database, new_entry: NewEntry) -> None:
    one = new_entry("one")
    changes = publishing.publish(db, BASE, [one])
    assert [c.act for c in changes] == ["published"]
    for name in ("all", "ferries"):
        (item,) = feed(db, name)["items"]
        with db.reading() as session:
            notice = notices.current(session, 1, "en")
        assert count_html(item["content_html"], notice.text) == 1
        assert item["id"] == "tag:tideway.example,2026-01-01:one"
    with db.reading() as session:
        assert session.query(Feed).filter_by(name="floods").one().rendered_seq == -1  # untouched, not rendered


def test_each_entry_has_its_own_number_and_date_of_change(db: Database, new_entry: NewEntry) -> None:
    ids = [new_entry(f"e{n}") for n in range(60)]
    seen: list[tuple[int, int]] = []
    publishing.publish(db, BASE, ids, progress=lambda done, total: seen.append((done, total)))
    rows = [entry(db, i) for i in ids]
    assert sorted(e.seq for e in rows) == list(range(1, 61))
    assert [e.mail_seq for e in rows] == [e.seq for e in rows]
    assert len({e.updated_at for e in rows}) == 60
    assert seen == [(50, 60), (60, 60)]
    assert len(feed(db)["items"]) == 20


def test_publishing_twice_changes_nothing(db: Database, new_entry: NewEntry) -> None:
    one = new_entry("one")
    publishing.publish(db, BASE, [one])
    before = entry(db, one).seq
    assert [c.act for c in publishing.publish(db, BASE, [one])] == ["unchanged"]
    assert entry(db, one).seq == before


def test_a_backfill_enters_by_its_date_and_is_mailed_to_nobody(db: Database, new_entry: NewEntry) -> None:
    new, old = new_entry("new"), new_entry("old", published_at=datetime(2019, 5, 1, tzinfo=UTC))
    publishing.publish(db, BASE, [new])
    publishing.publish(db, BASE, [old], mail=False)
    assert [i["title"] for i in feed(db)["items"]] == ["On new", "On old"]
    assert feed(db)["items"][1]["date_published"].startswith("2019-05-01")
    assert entry(db, old).mail_seq is None


def test_published_again_without_mail_it_goes_to_nobody_at_once_either(db: Database, new_entry: NewEntry) -> None:
    """Its follower's cursor stands before the number that it had, since nothing came in its series meanwhile."""
    one, other = new_entry("one"), new_entry("other", series=2)
    now = clock.now()
    with db.transaction() as session:
        person = Subscriber(
            publication_id=1, address="a@example.org", address_key="a@example.org", domain="example.org", language="en",
            timezone="UTC", handle=b"h" * 16, created_at=now,
        )  # fmt: skip
        session.add(person)
        session.flush()
        session.add(
            Subscription(
                subscriber_id=person.id, timezone="UTC", series_id=1, scope=1, cadence="at-once", state="active", cursor=0,
                asked_at=now, active_at=now,
            )
        )  # fmt: skip
    publishing.publish(db, BASE, [one])
    publishing.withdraw(db, BASE, one, "Too early.")
    publishing.publish(db, BASE, [other])
    assert issues.cut(db, "at-once") == []
    publishing.publish(db, BASE, [one], mail=False)
    with clock.frozen(now + timedelta(minutes=5)):
        assert issues.cut(db, "at-once") == []
    assert entry(db, one).mail_seq is None


def test_a_date_in_the_future_is_not_shown(db: Database, new_entry: NewEntry) -> None:
    one = new_entry("one", published_at=clock.now() + timedelta(days=400))
    publishing.publish(db, BASE, [one])
    row = entry(db, one)
    assert row.published_at is not None
    assert row.published_at <= clock.now()


def test_a_correction_keeps_id_date_and_mail_number(db: Database, new_entry: NewEntry) -> None:
    one = new_entry("one")
    publishing.publish(db, BASE, [one])
    before, item = entry(db, one), feed(db)["items"][0]
    with pytest.raises(Conflict, match="no corrected text"):
        publishing.correct(db, BASE, one)
    with db.transaction() as session:
        redraft(session, one, title="On two")
    publishing.correct(db, BASE, one, "The title was wrong.")
    after, changed = entry(db, one), feed(db)["items"][0]
    assert (after.mail_seq, after.published_at, after.tag_uri) == (before.mail_seq, before.published_at, before.tag_uri)
    assert after.seq > before.seq
    assert changed["title"] == "On two"
    assert changed["date_modified"] > item["date_modified"]
    assert after.revision is not None
    assert after.revision.number == 2


def test_a_remark_is_one_line_and_carries_no_notice(db: Database, new_entry: NewEntry) -> None:
    one = new_entry("one")
    publishing.publish(db, BASE, [one])
    with db.reading() as session:
        notice = notices.current(session, 1, "en").text
    for bad in (f"As they say: {notice}", "x" * 1_001):
        with pytest.raises(BadInput, match="the remark has"):
            publishing.withdraw(db, BASE, one, bad)
    with db.transaction() as session:
        redraft(session, one, title="On two")
    with pytest.raises(BadInput, match="the remark has"):
        publishing.correct(db, BASE, one, notice)
    publishing.correct(db, BASE, one, " The title\nwas\0 wrong. ")
    row = entry(db, one)
    assert row.revision is not None
    assert row.revision.summary == "The title was wrong."


def test_a_withdrawn_entry_leaves_the_feeds_and_comes_back_as_itself(db: Database, new_entry: NewEntry) -> None:
    one, two = new_entry("one"), new_entry("two")
    publishing.publish(db, BASE, [one, two])
    first = entry(db, one)
    publishing.withdraw(db, BASE, one, "Wrong numbers.")
    assert [i["title"] for i in feed(db)["items"]] == ["On two"]
    publishing.publish(db, BASE, [one])
    again = entry(db, one)
    assert (again.tag_uri, again.published_at) == (first.tag_uri, first.published_at)
    assert again.mailed_anew
    assert again.mail_seq == again.seq


def test_an_embargo_holds_until_its_time(db: Database, new_entry: NewEntry) -> None:
    one = new_entry("one")
    at = clock.now() + timedelta(hours=2)
    with db.transaction() as session:
        publishing.schedule(session, session.get_one(Entry, one), at)
        with pytest.raises(BadInput, match="has passed"):
            publishing.schedule(session, session.get_one(Entry, one), clock.now() - timedelta(seconds=1))
    assert embargo.publish_due(db, BASE) == []
    with clock.shifted(timedelta(hours=2, seconds=1)):
        assert [c.act for c in embargo.publish_due(db, BASE)] == ["published"]
        assert embargo.publish_due(db, BASE) == []
    assert [i["title"] for i in feed(db)["items"]] == ["On one"]


def test_a_body_with_the_notice_inside_is_stopped_and_holds_up_no_other(db: Database, new_entry: NewEntry) -> None:
    with db.reading() as session:
        notice = notices.current(session, 1, "en")
    bad = new_entry("bad", body_html=f"<p>Text.</p>\n<details><p>{notice.text}</p></details>")
    worse = new_entry("worse", standfirst=f"They say: {notice.text}")
    early, good = new_entry("early"), new_entry("good")
    with pytest.raises(DisclaimerBreach, match="2 times") as one:
        publishing.publish(db, BASE, [bad, early])
    assert "paragraph 2 of ferries/bad says the notice itself: take it out of the document" in one.value.remedy
    assert "feedgen" not in one.value.remedy
    assert entry(db, early).state == "published"
    with pytest.raises(NeedsHuman, match="2 of 4 entries were not published") as both:
        publishing.publish(db, BASE, [bad, early, worse, good])
    assert "paragraph 2 of ferries/bad" in str(both.value)
    assert "the standfirst of ferries/worse" in str(both.value)
    assert [entry(db, one).state for one in (bad, worse, good)] == ["draft", "draft", "published"]
    good = new_entry("later")
    with clock.shifted(timedelta(days=1)), db.transaction() as session:
        for each in (bad, good):
            publishing.schedule(session, session.get_one(Entry, each), clock.now() + timedelta(seconds=1))
    with clock.shifted(timedelta(days=2)):
        assert [c.slug for c in embargo.publish_due(db, BASE)] == ["later"]


def test_overtaken_between_rendering_and_storing_it_renders_anew(
    db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = new_entry("one"), new_entry("two")
    real, calls = press._render, []

    def render(*args):  # type: ignore[no-untyped-def]
        result = real(*args)
        calls.append(1)
        if len(calls) == 1:
            publishing.publish(db, BASE, [two])
        return result

    monkeypatch.setattr(press, "_render", render)
    publishing.publish(db, BASE, [one])
    assert {i["title"] for i in feed(db)["items"]} == {"On one", "On two"}
    assert {entry(db, one).seq, entry(db, two).seq} == {1, 2}
    assert len(calls) == 3


def test_overtaken_twice_it_renders_under_the_lock(
    db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_entry("one")
    real, calls = press._render, []

    def render(*args):  # type: ignore[no-untyped-def]
        result = real(*args)
        calls.append(1)
        if len(calls) <= 2:
            with db.transaction() as session:
                press.touch(session, 1)
        return result

    monkeypatch.setattr(press, "_render", render)
    publishing.publish(db, BASE, [one])
    assert len(calls) == 3
    assert entry(db, one).seq == 3
    with db.reading() as session:
        assert session.get_one(Publication, 1).seq == 3


def test_a_new_version_of_the_notice_makes_no_entry_look_new(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one")])
    before = feed(db)["items"][0]
    version = publishing.set_notice(db, BASE, 1, "en", STANDARD["en"] + " Thank you.")
    assert (version.version, version.fresh) == (2, True)
    after = feed(db)["items"][0]
    assert after["content_html"].count("Thank you.") == 1
    assert {k: v for k, v in after.items() if k != "content_html"} == {
        k: v for k, v in before.items() if k != "content_html"
    }
    assert not publishing.set_notice(db, BASE, 1, "en", STANDARD["en"] + " Thank you.").fresh


def test_a_new_base_address_renders_all_feeds_anew_and_keeps_ids(db: Database, new_entry: NewEntry) -> None:
    publishing.publish(db, BASE, [new_entry("one")])
    before = feed(db)["items"][0]
    assert publishing.rerender_all(db, "https://news.tideway.example") == 4  # all, two series, one language
    after = feed(db)
    assert after["feed_url"] == "https://news.tideway.example/feeds/all.json"
    assert after["items"][0]["id"] == before["id"]
    assert after["items"][0]["date_modified"] == before["date_modified"]
    assert publishing.rerender_all(db, "https://news.tideway.example") == 0


def test_partner_feeds_become_owed_and_are_found(db: Database, new_entry: NewEntry) -> None:
    with db.transaction() as session:
        owner = session.get_one(Publication, 1)
        artifacts.ensure_feed(session, owner, "scope-a", "scope", [1], private=True)
        other = artifacts.ensure_feed(session, owner, "scope-b", "scope", [2], private=True).id
    while owing.render_owed(db, BASE):
        pass
    publishing.publish(db, BASE, [new_entry("one")])
    with db.reading() as session:
        assert [session.get_one(Feed, i).name for i in owing.owed(session)] == ["scope-a", "in.en"]
        assert session.get_one(Feed, other).rendered_seq == 0
    assert owing.render_owed(db, BASE) == 2


def test_an_older_rendering_never_replaces_a_newer_one(db: Database, new_entry: NewEntry) -> None:
    with db.reading() as session:
        row = session.query(Feed).filter_by(name="all").one()
        old = artifacts.render(session, session.get_one(Publication, 1), row, BASE)
    publishing.publish(db, BASE, [new_entry("one")])
    with db.transaction() as session:
        assert not artifacts.store(session, session.get_one(Feed, row.id), old, 0)
    assert len(feed(db)["items"]) == 1


def test_last_modified_advances_a_second_a_change(db: Database, new_entry: NewEntry) -> None:
    stamps = []
    with clock.frozen(datetime(2026, 5, 1, 12, 0, 0, 300, tzinfo=UTC)):
        for n in range(3):
            publishing.publish(db, BASE, [new_entry(f"e{n}")])
            with db.reading() as session:
                row = session.query(Feed).filter_by(name="all").one()
                stamps.append(session.get_one(Artifact, (row.id, "rss")).last_modified)
    assert [s.second for s in stamps] == [0, 1, 2]


def test_a_text_that_comes_in_at_the_last_moment_waits(
    db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_entry("one")
    real = press._store

    def late(session, *rest):  # type: ignore[no-untyped-def]
        session.execute(update(Draft).values(source_hash="newer").execution_options(synchronize_session=False))
        real(session, *rest)

    monkeypatch.setattr(press, "_store", late)
    publishing.publish(db, BASE, [one])
    with db.reading() as session:
        assert session.get_one(Draft, one).source_hash == "newer"


def test_words_that_published_texts_say_do_not_become_the_notice(db: Database, new_entry: NewEntry) -> None:
    words = "The press speaks for itself and for no one else."
    for slug, content in {
        "one": {"body_html": "<p>First.</p>\n<p>It says: the <b>press</b> speaks\nfor itself and for no one else.</p>"},
        "two": {"notes": [words]},
        "three": {"body_html": "<p>The press speaks for itself, and for others.</p>"},
        "four": {"standfirst": words},
    }.items():
        new_entry(slug, **content)
    publishing.publish(db, BASE, [1, 2, 3])
    before = feed(db)
    with pytest.raises(
        BadInput, match=r"published texts already: ferries/one \(paragraph 2\), ferries/two \(a note\);"
    ):
        publishing.set_notice(db, BASE, 1, "en", words)
    publishing.catch_up(db, BASE)
    assert feed(db) == before
    publishing.withdraw(db, BASE, 1)
    publishing.withdraw(db, BASE, 2)
    assert publishing.set_notice(db, BASE, 1, "en", words).fresh
    with db.reading() as session:
        assert notices.current(session, 1, "en").text == words
