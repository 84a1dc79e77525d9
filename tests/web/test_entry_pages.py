"""Pages: what is published can be read, what is not cannot be told from nothing, the notice stands once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication import clock, publishing
from syndication.feeds.disclaimers import count_html
from syndication.ledger import attempts, notices
from syndication.ledger.content import Entry, Media, Publication
from syndication.ledger.db import Database
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry, new_entry, publication, redraft  # noqa: F401  # fixtures

BASE = "http://testserver"
PIXEL = {"sha256": "ab" * 32, "ext": "png", "width": 1, "height": 1, "alt": "A dot"}


@pytest.fixture
def client(db: Database, publication: int, tmp_path: Path) -> TestClient:  # noqa: F811
    wiring = Wiring(Settings(data_dir=tmp_path, base_url=BASE), BASE, "")
    wiring.__dict__["db"] = db
    return TestClient(create_app(wiring))


def notice(db: Database) -> str:
    with db.reading() as session:
        return notices.current(session, 1, "en").text


def test_the_three_pages_of_an_entry(client: TestClient, db: Database, new_entry: NewEntry) -> None:  # noqa: F811
    ids = [new_entry(n, authors=[{"name": "Ana Ré"}], related=[{"title": "Tides"}]) for n in ("one", "two", "three")]
    publishing.publish(db, BASE, ids)
    home, series, entry = (client.get(p) for p in ("/", "/series/ferries/", "/series/ferries/two/"))
    assert [r.status_code for r in (home, series, entry)] == [200, 200, 200]
    assert "On two" in home.text
    assert "Part 2" in series.text
    assert count_html(entry.text, notice(db)) == 1
    assert count_html(home.text, notice(db)) == 0
    assert "Part 2 of the series" in entry.text
    assert 'rel="prev" href="http://testserver/series/ferries/one/"' in entry.text
    assert 'rel="next" href="http://testserver/series/ferries/three/"' in entry.text
    data = json.loads(re.findall(r'ld\+json">(.*?)</script>', entry.text)[0])
    assert (data["@type"], data["isPartOf"]["@type"], data["position"]) == ("NewsArticle", "CreativeWorkSeries", 2)
    assert entry.text.count('rel="alternate"') == 1
    assert '<link rel="canonical" href="http://testserver/series/ferries/two/">' in entry.text


def test_what_is_not_published_cannot_be_told_from_nothing(
    client: TestClient,
    db: Database,
    new_entry: NewEntry,  # noqa: F811
) -> None:
    draft, later = new_entry("draft"), new_entry("later")
    with db.transaction() as session:
        publishing.schedule(session, session.get_one(Entry, later), clock.now() + timedelta(hours=1))
    nothing = client.get("/series/ferries/nothing/")
    for path in ("/series/ferries/draft/", "/series/ferries/later/"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (404, nothing.text)
    assert draft
    assert "On later" not in client.get("/").text + client.get("/series/ferries/").text


def test_a_withdrawn_entry_is_gone_and_a_correction_shows(
    client: TestClient,
    db: Database,
    new_entry: NewEntry,  # noqa: F811
) -> None:
    one, two = new_entry("one"), new_entry("two")
    publishing.publish(db, BASE, [one, two])
    assert client.get("/series/ferries/one/").status_code == 200
    publishing.withdraw(db, BASE, one, "The figures were wrong.")
    gone = client.get("/series/ferries/one/")
    assert gone.status_code == 410
    assert "The figures were wrong." in gone.text
    assert "Water" not in gone.text
    with db.transaction() as session:
        redraft(session, two, title="On second thoughts")
    publishing.correct(db, BASE, two)
    assert "On second thoughts" in client.get("/series/ferries/two/").text
    assert "corrected" in client.get("/series/ferries/two/").text


def test_the_publishers_own_page_is_canonical_and_may_be_the_only_one(
    client: TestClient,
    db: Database,
    new_entry: NewEntry,  # noqa: F811
) -> None:
    publishing.publish(db, BASE, [new_entry("one", canonical_url="https://tideway.example/one")])
    assert '<link rel="canonical" href="https://tideway.example/one">' in client.get("/series/ferries/one/").text
    with db.transaction() as session:
        session.get_one(Publication, 1).pages = False
    with db.transaction() as session:
        publishing.touch(session, 1)
    answer = client.get("/series/ferries/one/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://tideway.example/one")


def test_markup_in_titles_stays_text_and_json_cannot_end_its_element(
    client: TestClient,
    db: Database,
    new_entry: NewEntry,  # noqa: F811
) -> None:
    one = new_entry("one")
    with db.transaction() as session:
        redraft(session, one, title="</script><script>alert(1)</script>", authors=[{"name": "<b>"}])
    publishing.publish(db, BASE, [one])
    for path in ("/", "/series/ferries/", "/series/ferries/one/"):
        answer = client.get(path)
        assert "<script>alert" not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_an_image_is_served_while_a_published_text_shows_it(
    client: TestClient,
    db: Database,
    new_entry: NewEntry,  # noqa: F811
) -> None:
    with db.transaction() as session:
        session.add(Media(sha256="ab" * 32, ext="png", width=1, height=1, data=b"dot", created_at=datetime.now(UTC)))
    one = new_entry("one", images=[PIXEL], body_html=f'<p><img src="media:{"ab" * 32}.png" alt="A dot"></p>')
    path = f"/media/{'ab' * 32}.png"
    assert client.get(path).status_code == 404
    publishing.publish(db, BASE, [one])
    served = client.get(path)
    assert (served.status_code, served.content, served.headers["content-type"]) == (200, b"dot", "image/png")
    assert client.get(path, headers={"if-none-match": served.headers["etag"]}).status_code == 304
    assert path in client.get("/series/ferries/one/").text
    assert client.get(path.replace("png", "gif")).status_code == 404
    publishing.withdraw(db, BASE, one)
    assert client.get(path).status_code == 404


def test_ready_only_when_everything_published_can_be_fetched(
    client: TestClient,
    db: Database,
    new_entry: NewEntry,  # noqa: F811
) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").status_code == 503  # three feeds were never rendered
    publishing.rerender_all(db, BASE)
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}
    one = new_entry("one")
    with db.transaction() as session:
        publishing.schedule(session, session.get_one(Entry, one), clock.now() + timedelta(hours=1))
    with clock.shifted(timedelta(hours=2)):
        assert "due" in client.get("/readyz").json()["reasons"][0]
        with db.transaction() as session:  # the gate refuses it: that takes nothing else off the air
            attempts.begin(session, [attempts.named("publish", one)])
            attempts.failed(session, attempts.named("publish", one), "the notice stands twice")
        assert client.get("/readyz").status_code == 200
    assert "scheduled" not in client.get("/metrics").text  # that something waits is nobody's to see


def test_a_page_is_not_sent_again_to_who_has_it(client: TestClient, db: Database, new_entry: NewEntry) -> None:  # noqa: F811
    publishing.publish(db, BASE, [new_entry("one")])
    first = client.get("/series/ferries/one/")
    assert client.get("/series/ferries/one/", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    publishing.publish(db, BASE, [new_entry("two")])
    assert client.get("/series/ferries/one/", headers={"if-none-match": first.headers["etag"]}).status_code == 200
