"""Guarantee 5 and RFC 8058, through the pages: robots change nothing, people and mail clients do."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html
from starlette.applications import Starlette
from starlette.testclient import TestClient

from syndication.audience.handles import handle_token
from syndication.ledger.tables import Letter, Subscriber, Subscription, Suppression
from syndication.settings import Settings
from syndication.web.subscriptions import routes
from syndication.wiring import Wiring


@pytest.fixture
def wiring(town, tmp_path: Path) -> Wiring:
    settings = Settings(data_dir=tmp_path, database_url=town.db.url, secret_keys="k" * 32)
    return Wiring(settings=settings, base_url="http://testserver", broker_url="")


@pytest.fixture
def browser(wiring: Wiring) -> TestClient:
    return TestClient(Starlette(routes=routes(wiring)), follow_redirects=False)


@pytest.fixture
def scanner(wiring: Wiring) -> TestClient:
    """Another machine: no cookie of the subscribing browser."""
    return TestClient(Starlette(routes=routes(wiring)), follow_redirects=False)


def link(wiring: Wiring, town) -> str:  # type: ignore[no-untyped-def]
    return f"/confirm/{wiring.signer.make('confirm', town.payload())}"


def robot(client: TestClient, path: str) -> None:
    """Opens the page and submits each form as it stands."""
    page = client.get(path)
    for form in html.fromstring(page.text).forms:
        assert client.post(form.action or path, data=dict(form.form_values())).status_code < 500


def states(town) -> set[str]:  # type: ignore[no-untyped-def]
    return {s.state for s in town.rows(Subscription)}


def test_the_answer_is_the_same_for_known_and_unknown(browser, town) -> None:
    town.join("known@example.org")
    known = browser.post("/subscribe", data={"email": "known@example.org"})
    fresh = browser.post("/subscribe", data={"email": "fresh@example.org"})
    assert (known.status_code, known.text) == (fresh.status_code, fresh.text) == (200, fresh.text)


def test_form_fields_and_errors(browser, town) -> None:
    fields = {"email": "a@example.org", "series": ["ferries", "fog"], "cadence": "weekly", "timezone": "Asia/Tokyo"}
    assert browser.post("/subscribe", data=fields).status_code == 200
    assert {(s.scope, s.cadence) for s in town.rows(Subscription)} == {(1, "weekly"), (3, "weekly")}
    bad = browser.post("/subscribe", data={"email": "a<b>@x", "cadence": "weekly"})
    assert bad.status_code == 422
    assert "a<b>" not in bad.text


def test_a_honeypot_and_a_limit(browser, town) -> None:
    assert browser.post("/subscribe", data={"email": "a@example.org", "website": "x"}).status_code == 200
    assert not town.rows(Subscriber)
    codes = [browser.post("/subscribe", data={"email": "a@example.org"}).status_code for _ in range(25)]
    assert codes[-1] == 429


def test_the_subscribing_browser_needs_one_button(browser, wiring, town) -> None:
    browser.post("/subscribe", data={"email": "anna@example.org"})
    path = link(wiring, town)
    assert 'type="radio"' not in browser.get(path).text
    assert states(town) == {"asked"}
    browser.post(path)
    assert states(town) == {"active"}


def test_a_robot_does_not_confirm_and_a_person_elsewhere_does(browser, scanner, wiring, town) -> None:
    browser.post("/subscribe", data={"email": "anna@example.org"})
    robot(scanner, link(wiring, town))
    assert states(town) == {"asked"}
    scanner.post(link(wiring, town), data={"choice": "yes"})
    assert states(town) == {"active"}


def test_a_cookie_for_another_address_is_none(browser, wiring, town) -> None:
    town.ask("anna@example.org")
    path = link(wiring, town)
    browser.post("/subscribe", data={"email": "mallory@example.org"})
    browser.post(path)
    assert {s.state for s in town.rows(Subscription) if s.subscriber_id == 1} == {"asked"}


def test_a_forged_link_is_gone(browser) -> None:
    assert browser.get("/confirm/nonsense").status_code == 410


def test_robots_neither_unsubscribe_nor_change(scanner, town) -> None:
    town.join("anna@example.org", "ferries", "fog")
    token = handle_token(town.person().handle)
    before = [(s.scope, s.state, s.cadence) for s in town.rows(Subscription)]
    for page in ("unsubscribe", "preferences"):
        scanner.head(f"/{page}/{token}")
        robot(scanner, f"/{page}/{token}")
    assert [(s.scope, s.state, s.cadence) for s in town.rows(Subscription)] == before
    assert not town.rows(Suppression)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("multipart", [False, True])
def test_one_click(scanner, town, slash: str, multipart: bool) -> None:
    town.join()
    path = f"/unsubscribe/{handle_token(town.person().handle)}{slash}"
    body = (
        {"files": {"List-Unsubscribe": (None, "One-Click")}}
        if multipart
        else {"data": {"List-Unsubscribe": "One-Click"}}
    )
    for _ in range(2):
        assert scanner.post(path, **body).status_code == 200
    assert states(town) == {"ended"}
    town.erase()
    assert scanner.post(path, **body).status_code == 200
    assert scanner.post(f"/unsubscribe/{handle_token(bytes(16))}", **body).status_code == 404


def test_preferences_of_a_person(scanner, town) -> None:
    town.join("anna@example.org", "ferries", "fog")
    path = f"/preferences/{handle_token(town.person().handle)}"
    page = scanner.post(path, data={"cadence-1": "weekly", "stop": "3", "begin": "2", "timezone": "Asia/Tokyo"})
    assert page.status_code == 200
    assert {s.scope: (s.state, s.cadence) for s in town.rows(Subscription)} == {
        1: ("active", "weekly"), 2: ("active", "daily"), 3: ("ended", "daily"),
    }  # fmt: skip
    assert scanner.post(path, data={"timezone": "Mars/X"}).status_code == 422
    scanner.post(path, data={"leave": "erase"})
    assert not town.rows(Subscriber)
    assert not town.rows(Letter)
