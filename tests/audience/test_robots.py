"""Guarantee 5: whatever opens links, runs scripts or submits the forms it finds confirms nobody and ends nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from lxml import html
from playwright.sync_api import Browser, Page, Route
from starlette.testclient import TestClient

from syndication import clock
from syndication.ledger.tables import Consent, Letter, Subscriber, Subscription, Suppression
from syndication.web.app import create_app
from syndication.wiring import Wiring

BASE = "http://testserver"


def everything(town) -> list[object]:  # type: ignore[no-untyped-def]
    """All that a robot could have changed."""
    people = [(p.address, p.timezone, p.language, p.name) for p in town.rows(Subscriber)]
    rows = [(s.scope, s.state, s.cadence, s.cursor, s.shields) for s in town.rows(Subscription)]
    return [people, rows, len(town.rows(Consent)), len(town.rows(Suppression)), len(town.rows(Letter))]


def pages(wiring: Wiring, town) -> list[str]:  # type: ignore[no-untyped-def]
    """The links of two mails: the confirmation of one person, the preferences of another."""
    town.join("anna@example.org", "ferries", "fog")
    with clock.shifted(timedelta(days=2)):
        town.join("cy@example.org")
        town.ask("bo@example.org", "all")
    handles = [town.handle(f"{name}@example.org") for name in ("anna", "cy")]
    return [
        f"/confirm/{wiring.signer.make('confirm', town.letter())}",
        *(f"/{page}/{handle}" for page in ("unsubscribe", "preferences") for handle in handles),
    ]


def submit(client: TestClient, path: str, *, first_choice: bool = False) -> int:
    """Opens the page and submits each form as it stands, each button pressed once; how many it submitted."""
    submitted = 0
    for form in html.fromstring(client.get(path).text).forms:
        for button in form.xpath(".//button"):
            fields = dict(form.form_values())
            if first_choice:
                fields |= {
                    radio.get("name"): radio.get("value") for radio in reversed(form.xpath(".//input[@type='radio']"))
                }
            if button.get("name"):
                fields[button.get("name")] = button.get("value")
            assert client.post(form.action or path, data=fields).status_code < 500
            submitted += 1
    return submitted


@pytest.mark.parametrize("jar", ["none", "of another session"])
def test_robots_that_open_links_and_submit_forms_as_they_stand(wiring, town, jar: str) -> None:  # type: ignore[no-untyped-def]
    links = pages(wiring, town)
    robot = TestClient(create_app(wiring), follow_redirects=True)
    if jar == "of another session":
        robot.post("/subscribe", data={"email": "robot@example.org"})
    before = everything(town)
    for path in links:
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
            assert (
                robot.request(method, path, headers={"purpose": "prefetch", "sec-purpose": "prefetch"}).status_code
                < 500
            )
        assert submit(robot, path) > 0
        assert everything(town) == before, path


def test_a_robot_that_takes_the_first_choice_confirms_nobody(wiring, town) -> None:  # type: ignore[no-untyped-def]
    path = pages(wiring, town)[0]
    submit(TestClient(create_app(wiring)), path, first_choice=True)
    assert {s.state for s in town.rows(Subscription) if s.subscriber_id == 3} == {"ended"}
    TestClient(create_app(wiring)).post(path, data={"choice": "yes"})
    assert {s.state for s in town.rows(Subscription) if s.subscriber_id == 3} == {"active"}, "a person still can"


def test_no_page_about_a_person_can_be_framed_kept_indexed_or_told_on(wiring, town) -> None:  # type: ignore[no-untyped-def]
    client = TestClient(create_app(wiring))
    for path in [*pages(wiring, town), "/subscribe", "/confirm/x", "/preferences/x", "/unsubscribe/x"]:
        for answer in (client.get(path), client.post(path, data={"x": "y" * 70_000})):
            headers = answer.headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe-inline" not in headers["content-security-policy"]
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert "noindex" in headers["x-robots-tag"]


def answered_by(client: TestClient, page: Page) -> Page:
    """Every request of the page goes to the app, nothing to a network."""

    def fulfil(route: Route) -> None:
        sent = route.request
        headers = {"content-type": sent.headers.get("content-type", ""), "accept-language": "en"}
        answer = client.request(
            sent.method, sent.url.removeprefix(BASE), content=sent.post_data_buffer, headers=headers
        )
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    page.route("**/*", fulfil)
    return page


@pytest.mark.sqlite_only
def test_a_browser_that_runs_scripts_and_presses_every_button(wiring, town, chromium: Browser) -> None:  # type: ignore[no-untyped-def]
    links = pages(wiring, town)
    before = everything(town)
    page = answered_by(TestClient(create_app(wiring)), chromium.new_page())
    for path in links:
        page.goto(BASE + path)
        for number in range(page.locator("main button").count()):
            page.goto(BASE + path)
            page.locator("main button").nth(number).click()
        assert everything(town) == before, path
    page.close()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("script", [True, False])
def test_the_browser_guesses_the_time_zone_and_a_person_may_choose_another(
    wiring, town, chromium: Browser, script: bool
) -> None:  # type: ignore[no-untyped-def]
    context = chromium.new_context(timezone_id="Asia/Calcutta", java_script_enabled=script)
    page = answered_by(TestClient(create_app(wiring)), context.new_page())
    page.goto(f"{BASE}/subscribe")
    assert page.locator("#timezone").input_value() == ("Asia/Calcutta" if script else "Europe/Lisbon")
    page.locator("#email").fill("anna@example.org")
    page.locator("#timezone").select_option("Asia/Tokyo")
    page.locator("main button").click()
    assert town.person().timezone == "Asia/Tokyo"
    context.close()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    wiring: Wiring, town, chromium: Browser, width: int, scheme: str
) -> None:  # type: ignore[no-untyped-def]
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = answered_by(TestClient(create_app(wiring)), context.new_page())
    for path in [*pages(wiring, town), "/subscribe", "/confirm/x"]:
        page.goto(BASE + path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(f"{BASE}/subscribe")
    page.locator("#email").fill("a@b")
    page.locator("main button").click()
    page.wait_for_selector("[role=alert]")
    assert Axe().run(page).violations_count == 0
    context.close()
