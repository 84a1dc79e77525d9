"""What pages say to machines, and how they answer what nobody should ask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import html as lxml_html
from sqlalchemy import update
from starlette.testclient import TestClient

from syndication.content import MediaFile
from syndication.ledger.content import Entry, Publication, Series
from syndication.ledger.db import Database
from syndication.publishing import withdraw
from syndication.web import pages as pages_module
from syndication.web import shown
from syndication.web.words import WORDS
from syndication.wiring import Wiring
from tests.web.web_world import BASE, NewEntry, browser

DOT = MediaFile(sha256="ab" * 32, ext="png", width=1, height=1, data=b"dot")
PIXEL = {**DOT.model_dump(exclude={"data"}), "alt": 'A "dot"'}


def head(text: str) -> dict[str, list[str]]:
    """name or property → contents of the meta elements, rel → addresses of the links."""
    found: dict[str, list[str]] = {}
    root = lxml_html.document_fromstring(text)
    for meta in root.iter("meta"):
        found.setdefault(meta.get("name") or meta.get("property") or "", []).append(meta.get("content") or "")
    for link in root.iter("link"):
        found.setdefault(link.get("rel") or "", []).append(link.get("href") or "")
    return found


def metadata(text: str) -> dict[str, object]:
    (found,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    record: dict[str, object] = json.loads(found)
    return record


def test_an_entry_tells_machines_what_it_is(client: TestClient, new_entry: NewEntry) -> None:
    new_entry(
        "tides", title='</script><!-- "Tides" & </head>', standfirst="Twice a day.", images=[PIXEL], media=DOT, topics=["sea"],
        part=2, authors=[{"name": "Ana", "url": "https://tideway.example/ana"}], licence_url="https://cc.example/by",
    )  # fmt: skip
    text = client.get("/series/ferries/tides/").text
    said = head(text)
    address = f"{BASE}/series/ferries/tides/"
    assert said["canonical"] == said["og:url"] == [address]
    assert said["alternate"] == ["/feeds/ferries.atom"]  # one feed, once
    assert said["description"] == said["og:description"] == ["Twice a day."]
    assert said["og:title"] == ['</script><!-- "Tides" & </head>']
    assert said["og:image"] == [f"{BASE}/media/{'ab' * 32}.png"]
    assert said["og:image:alt"] == ['A "dot"']
    assert said["article:published_time"]
    record = metadata(text)
    assert (record["@type"], record["headline"], record["position"]) == (
        "NewsArticle",
        '</script><!-- "Tides" & </head>',
        2,
    )
    assert record["author"] == [{"@type": "Person", "name": "Ana", "url": "https://tideway.example/ana"}]
    assert record["isPartOf"] == {"@type": "CreativeWorkSeries", "@id": f"{BASE}/series/ferries/", "name": "Ferries"}
    assert record["license"] == "https://cc.example/by"
    assert None not in record.values()
    series = metadata(client.get("/series/ferries/").text)
    assert (series["@type"], series["hasPart"]) == ("CreativeWorkSeries", [{"@type": "NewsArticle", "@id": address}])
    assert metadata(client.get("/").text)["@type"] == "WebSite"


def test_every_page_has_one_canonical_address_and_one_feed(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    for path, feed in (("/", "all"), ("/series/ferries/", "ferries"), ("/series/ferries/tides/", "ferries")):
        said = head(client.get(path).text)
        assert said["canonical"] == [BASE + path]
        assert said["alternate"] == [f"/feeds/{feed}.atom"]


def test_addresses_without_their_slash_moved_for_good(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    for path in ("/series/ferries", "/series/ferries/tides"):
        answer = client.get(path, headers={"host": "evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (301, f"{BASE}{path}/")


def test_security_headers_are_on_every_answer(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    for path in (
        "/",
        "/series/ferries/tides/",
        "/nothing",
        "/static/site.css",
        "/subscribe",
        "/healthz",
        "/robots.txt",
    ):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "referrer-policy" in headers, path
        assert len(headers.get_list("content-security-policy")) == 1, path


def test_every_page_names_an_icon_that_is_there(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    for path in ("/", "/series/ferries/tides/", "/nothing", "/subscribe", "/workbench", "/outbox/", "/partners/docs"):
        (icon,) = re.findall(r'<link rel="icon" href="([^"]+)"', client.get(path).text)
        answer = client.get(icon)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml"), path


def test_a_series_longer_than_a_page(client: TestClient, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "A_PAGE", 2)
    for part in (1, 2, 3):
        new_entry(f"e{part}", part=part)
    first, second = client.get("/series/ferries/"), client.get("/series/ferries/page/2/")
    assert ("On e1" in first.text, "On e3" in first.text) == (True, False)
    assert ("On e1" in second.text, "On e3" in second.text) == (False, True)
    assert head(second.text)["canonical"] == [f"{BASE}/series/ferries/page/2/"]
    assert 'rel="next" href="/series/ferries/page/2/"' in first.text
    assert 'rel="prev" href="/series/ferries/"' in second.text
    assert "Page 2 of 2" in second.text
    for odd in ("3", "0", "-1", "x", "²", "9" * 400):
        assert client.get(f"/series/ferries/page/{odd}/").status_code == 404, odd
    moved = client.get("/series/ferries/page/1/")
    assert (moved.status_code, moved.headers["location"]) == (301, f"{BASE}/series/ferries/")
    assert client.get("/series/ferries/", params={"page": "2"}).text == first.text


@pytest.mark.parametrize("order", ["part", "newest"])
def test_neighbours_follow_the_order_in_which_a_series_is_read(
    client: TestClient, new_entry: NewEntry, db: Database, order: str
) -> None:
    with db.transaction() as session:
        session.execute(update(Series).where(Series.slug == "ferries").values(order=order))
    for slug, part in (("c", 3), ("x", None), ("a", 1), ("b", 2)):
        new_entry(slug, part=part)
    walk, path = [], {"part": "/series/ferries/a/", "newest": "/series/ferries/c/"}[order]
    while path:
        root = lxml_html.document_fromstring(client.get(path).text)
        walk.append(path.split("/")[-2])
        ways = root.xpath("//a[@rel='next']/@href")
        assert len(walk) < 9
        back = root.xpath("//a[@rel='prev']/@href")
        assert [b.split("/")[-2] for b in back] == walk[-2:-1]
        path = ways[0].removeprefix(BASE) if ways else ""
    assert walk == {"part": ["a", "b", "c", "x"], "newest": ["c", "x", "a", "b"]}[order]
    listed = lxml_html.document_fromstring(client.get("/series/ferries/").text).xpath("//ol//h2/a/text()")
    assert listed == [f"On {slug}" for slug in (walk if order == "part" else reversed(walk))]


def test_a_withdrawn_entry_says_so_in_its_own_language(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    withdraw(db, BASE, new_entry("fähre", title="Die Fähre", language="de"), "Die Zahlen stimmten nicht.")
    with db.transaction() as session:
        session.execute(update(Entry).values(slug="faehre"))
    answer = client.get("/series/ferries/faehre/")
    assert answer.status_code == 410
    assert re.search(r"„Die Fähre“ wurde am \d+\. \S+ \d{4} zurückgezogen", answer.text)
    assert "Die Zahlen stimmten nicht." in answer.text
    assert '<html lang="de"' in answer.text
    assert 'content="noindex"' in answer.text


@pytest.mark.parametrize("language", WORDS)
def test_nothing_there_is_said_in_the_publications_language(
    client: TestClient, db: Database, language: str, publication: int
) -> None:
    with db.transaction() as session:
        session.execute(update(Publication).values(language=language))
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert WORDS[language].not_found in answer.text
    assert client.post("/").status_code == 405
    assert WORDS[language].not_allowed in client.post("/").text


def test_the_words_of_every_language_take_the_same_names() -> None:
    names: Callable[[str], set[str]] = lambda text: set(re.findall(r"{(\w+)}", text))  # noqa: E731
    for words in WORDS.values():
        for field in words.__slots__:
            said = getattr(words, field)
            assert said, (words.language, field)
            assert names(said) == names(getattr(WORDS["en"], field)), (words.language, field)


def test_a_fault_of_ours_is_a_page_in_words_and_a_line_in_the_log(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_entry("tides")

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(shown, "home", broken)
    with browser(wiring) as client:
        client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
        answer = client.get("/")
    assert answer.status_code == 500
    assert "This page cannot be shown" in answer.text
    assert "secret detail" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "secret detail" in capsys.readouterr().out


def test_a_broken_frame_is_answered_in_plain_words(wiring: Wiring, new_entry: NewEntry, tmp_path: Path) -> None:
    new_entry("tides")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "layout.html").write_text("{{ no_such_name }}")
    object.__setattr__(wiring.settings, "templates_dir", tmp_path)
    with browser(wiring) as client:
        answer = client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert "try again" in answer.text


def test_a_publisher_may_bring_a_style_sheet(wiring: Wiring, publication: int, tmp_path: Path) -> None:
    (tmp_path / "web" / "static").mkdir(parents=True)
    (tmp_path / "web" / "static" / "site.css").write_text("body { color: teal }")
    object.__setattr__(wiring.settings, "templates_dir", tmp_path)
    with browser(wiring) as client:
        assert client.get("/static/site.css").text == "body { color: teal }"
        assert client.get("/static/tools.css").status_code == 200


def test_few_pages_are_kept_and_all_are_served(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "KEPT_CHARACTERS", 12_000)
    for slug in ("one", "two", "three", "four"):
        new_entry(slug)
    with browser(wiring) as client:
        for _ in range(2):
            for slug in ("one", "two", "three", "four"):
                assert f"On {slug}" in client.get(f"/series/ferries/{slug}/").text
