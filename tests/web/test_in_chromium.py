"""Pages as a browser shows them: axe finds nothing, nothing runs over the edge, the notice is seen once, no script is needed.

The app answers the browser without a server; every page at phone and desk width, light and dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import update
from starlette.testclient import TestClient

from syndication import defining
from syndication.content import MediaFile
from syndication.defining import Definition
from syndication.feeds.disclaimers import count_text
from syndication.intake.sanitise import sanitised
from syndication.ledger import notices
from syndication.ledger.content import Publication
from syndication.ledger.db import Database
from syndication.publishing import catch_up, withdraw
from tests.web.web_world import BASE, NewEntry

pytestmark = pytest.mark.sqlite_only
WIDE = "<table><thead><tr>" + "<th>Column of figures</th>" * 12 + "</tr></thead><tbody><tr>" + "<td>1,234,567</td>" * 12
RICH = sanitised(
    f"""<p>Water<sup><a href="#fn1" id="ref1">1</a></sup> &amp; wind, and <a href="https://other.example/">a link</a>.</p>
{WIDE}</tr></tbody></table><table><tr><th>One</th><td align="right">2</td></tr></table>
<figure><img src="media:{"ab" * 32}.png" alt="A dot" width="2000" height="900"><figcaption>A dot.</figcaption></figure>
<h2>A head</h2><blockquote><p>Said.</p></blockquote><ul><li>One</li></ul><pre>{"code " * 60}</pre>
<hr><ol><li id="fn1">Note <a href="#ref1">back to the text</a></li></ol>""",
    "https://tideway.example/",
)
PIXEL = {"sha256": "ab" * 32, "ext": "png", "width": 1, "height": 1}
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


@pytest.fixture
def pages(client: TestClient, new_entry: NewEntry, mailed: tuple[int, int], db: Database) -> list[str]:
    """Every page there is, with texts that try their frames."""
    media = MediaFile(**PIXEL, data=b"dot")
    new_entry(
        "rich", body_html=RICH, media=media, images=[{**PIXEL, "alt": "A dot"}], standfirst="What the water does.", part=2,
        authors=[{"name": "Ana Ré", "url": "https://tideway.example/ana"}, {"name": "Bo"}], notes=["The author advises."],
        related=[{"title": "Tides", "url": "https://tideway.example/t"}, {"title": "Only a title"}],
        licence_url="https://cc.example/by",
    )  # fmt: skip
    new_entry("long", title=LONG * 3, standfirst=LONG * 2, authors=[{"name": LONG}], part=3)
    new_entry("arabic", title="عبّارات بطيئة في البحر", language="ar", body_html="<p>نص <b>قصير</b></p>", part=4)
    new_entry("chinese", title="渡輪與潮汐" * 20, language="zh-Hant", body_html="<p>" + "水" * 400 + "</p>", part=5)
    new_entry("german", title="Die Fähre im Winter", language="de", part=6, topics=["Fähren", LONG, "sea walls"])
    withdraw(db, BASE, new_entry("gone", part=7), "The figures were wrong.")
    with db.transaction() as session:
        defining.define(session, session.get_one(Publication, 1), Definition("picks", "What we like", "Our choice."))
    catch_up(db, BASE)
    assert client.get("/feeds/ferries+floods.weekly.atom").status_code == 200
    feeds = [
        "/feeds/",
        "/feeds/?part=ferries&part=floods&every=weekly",
        "/feeds/picks/",
        "/feeds/ferries+floods.weekly/",
    ]
    entries = [f"/series/ferries/{slug}/" for slug in ("rich", "long", "arabic", "chinese", "german", "gone")]
    return ["/", "/series/ferries/", "/series/floods/", *entries, *feeds, "/nothing", "/subscribe", "/workbench", "/outbox/",
            f"/outbox/{mailed[1]}", "/partners/docs"]  # fmt: skip


@contextmanager
def screen(chromium: Browser, client: TestClient, **options: object) -> Iterator[Page]:
    """A page of a fresh browser; every request of it goes to the app, and one that leaves the site fails the test."""
    context = chromium.new_context(**options)  # type: ignore[arg-type]
    page = context.new_page()
    strangers: list[str] = []

    def fulfil(route: Route) -> None:
        if not route.request.url.startswith(BASE):
            strangers.append(route.request.url)
            route.abort()
            return
        answer = client.get(route.request.url.removeprefix(BASE))
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    page.route("**/*", fulfil)
    yield page
    context.close()
    assert strangers == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_on_any_page(
    chromium: Browser, client: TestClient, pages: list[str], width: int, scheme: str
) -> None:
    wrong = []
    with screen(chromium, client, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        for path in pages:
            page.goto(BASE + path)
            found = Axe().run(page)
            if found.violations_count:
                wrong.append(f"{path}\n{found.generate_report()}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{path} is wider than the screen")
    assert wrong == []


@pytest.mark.parametrize("media", ["screen", "print"])
def test_a_reader_sees_the_notice_once_without_any_script(
    chromium: Browser, client: TestClient, pages: list[str], db: Database, media: str
) -> None:
    seen = {}
    with db.reading() as session:
        texts = {tag: notices.current(session, 1, tag).text for tag in ("en", "de")}
    with screen(chromium, client, java_script_enabled=False) as page:
        page.emulate_media(media=media)  # type: ignore[arg-type]
        for path in pages:
            if path.startswith("/series/ferries/") and not path.endswith(("ferries/", "gone/")):
                page.goto(BASE + path)
                text = page.locator("body").inner_text()
                box = page.locator(".notice p").bounding_box()
                assert box is not None
                assert box["height"] > 10
                seen[path] = count_text(text, texts["de" if "german" in path else "en"])
    assert len(seen) == 5
    assert set(seen.values()) == {1}


def test_figures_stand_under_each_other_and_no_turn_is_left_empty(
    chromium: Browser, client: TestClient, pages: list[str]
) -> None:
    with screen(chromium, client, viewport={"width": 1280, "height": 900}) as page:
        page.goto(f"{BASE}/series/ferries/rich/")
        style = page.locator("td", has_text="2").last.evaluate("cell => getComputedStyle(cell).textAlign")
        assert style == "right"
        lone = 0
        for path in pages:
            page.goto(BASE + path)
            turns = page.locator(".turn [rel]")
            if turns.count() == 1:
                lone += 1
                all_ = page.locator(".turn .all").bounding_box()
                box = turns.first.bounding_box()
                assert box is not None
                assert all_ is not None
                assert box["width"] == all_["width"], path
        assert lone


def test_the_first_tab_leads_past_the_frame(chromium: Browser, client: TestClient, pages: list[str]) -> None:
    with screen(chromium, client) as page:
        page.goto(f"{BASE}/series/ferries/rich/")
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.inner_text() == "Skip to the text"
        box = skip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_languages_and_directions_are_where_they_belong(
    chromium: Browser, client: TestClient, pages: list[str], db: Database
) -> None:
    with screen(chromium, client) as page:
        page.goto(f"{BASE}/series/ferries/german/")
        assert page.locator("html").get_attribute("lang") == "de"
        assert page.get_by_text("Teil 6 der Reihe").is_visible()
        assert page.get_by_role("link", name="Abonnieren").is_visible()
        page.goto(f"{BASE}/series/ferries/arabic/")
        assert page.locator("html").get_attribute("lang") == "en"  # the frame; we don't speak Arabic
        assert page.locator("article[lang=ar][dir=rtl]").count() == 1
        page.goto(f"{BASE}/")
        for tag in ("ar", "zh-Hant", "de"):
            assert page.locator(f"h3[lang={tag}]").count() == 1
        with db.transaction() as session:
            session.execute(update(Publication).values(language="fr-CA", seq=Publication.seq + 1))
        page.goto(f"{BASE}/series/ferries/")
        assert page.locator("html").get_attribute("lang") == "fr-CA"
        assert page.get_by_text("Parcourir la série").is_visible()
