"""Preferences, unsubscribe and one's record, through the pages; RFC 8058 as mail clients send it."""

from __future__ import annotations

import json

import pytest
from lxml import html
from sqlalchemy.orm import Session

from syndication.audience.handles import handle_token
from syndication.audience.words import WORDS
from syndication.ledger.tables import Consent, Letter, Subscriber, Subscription, Suppression
from syndication.web import preferences

EN = WORDS["en"]


def wishes(town) -> dict[int, tuple[str, str]]:  # type: ignore[no-untyped-def]
    return {s.scope: (s.state, s.cadence) for s in town.rows(Subscription)}


def choices(page) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """What the page of preferences has chosen: title → what is said."""
    root = html.fromstring(page.text)
    return {
        root.xpath(f"string(//label[@for='{select.get('id')}'])"): select.xpath("string(option[@selected])")
        for select in root.xpath("//select[starts-with(@name, 'cadence-')]")
    }


ONE_CLICK = {
    "urlencoded": {"data": {"List-Unsubscribe": "One-Click"}},
    "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
    "with a charset": {
        "content": b"List-Unsubscribe=One-Click",
        "headers": {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
    },
    "without a type": {"content": b"List-Unsubscribe=One-Click"},
}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("way", list(ONE_CLICK))
def test_one_click(scanner, town, slash: str, way: str) -> None:
    town.join()
    town.join("bo@example.org")
    path, body = f"/unsubscribe/{town.handle()}{slash}", ONE_CLICK[way]
    for _ in range(2):
        answer = scanner.post(path, **body)
        assert (answer.status_code, "location" in answer.headers, "set-cookie" in answer.headers) == (200, False, False)
    assert {s.subscriber_id: s.state for s in town.rows(Subscription)} == {1: "ended", 2: "active"}
    assert [c.detail["via"] for c in town.rows(Consent) if c.act == "ended"] == ["one-click"]
    town.erase()
    assert scanner.post(path, **body).text == "Unsubscribed."
    assert scanner.post(f"/unsubscribe/{handle_token(bytes(16))}", **body).status_code == 404


def test_a_page_in_between_for_people(scanner, town) -> None:
    town.join("anna@example.org", "ferries", "fog")
    path = f"/unsubscribe/{town.handle()}"
    assert "anna@example.org" in scanner.get(path).text
    assert EN.choose_one in scanner.post(path).text
    assert EN.unsubscribed_one.format(series="Fog") in scanner.post(path, data={"choice": "3"}).text
    assert wishes(town) == {1: ("active", "daily"), 3: ("ended", "daily")}
    assert EN.unsubscribed_all in scanner.post(path, data={"choice": "all"}).text
    assert wishes(town)[1][0] == "ended"
    assert EN.nothing_followed in scanner.get(path).text


@pytest.mark.parametrize("choice", ["²", "9" * 5_000, "99", "-1", "yes", "\0", "1; DROP TABLE subscriber"])
def test_choices_that_no_form_would_send_change_nothing(scanner, town, choice: str) -> None:
    town.join("anna@example.org", "ferries")
    before = wishes(town)
    assert scanner.post(f"/unsubscribe/{town.handle()}", data={"choice": choice}).status_code == 200
    page = f"/preferences/{town.handle()}"
    assert scanner.post(page, data={f"cadence-{choice}": "weekly", "leave": choice}).status_code == 200
    assert scanner.post(page, data={"cadence-1": choice}).status_code == 200
    assert wishes(town) == before


def test_preferences_of_a_person(scanner, town) -> None:
    town.join("anna@example.org", "ferries", "fog")
    path = f"/preferences/{town.handle()}"
    assert choices(scanner.get(path)) == {
        EN.everything: EN.not_sent, "Ferries": EN.daily, "Floods": EN.not_sent, "Fog": EN.daily,
    }  # fmt: skip
    wanted = {
        "cadence-1": "weekly",
        "cadence-2": "daily",
        "cadence-3": "none",
        "timezone": "Asia/Tokyo",
        "language": "de",
    }
    page = scanner.post(path, data=wanted)
    assert WORDS["de"].saved in page.text
    assert wishes(town) == {1: ("active", "weekly"), 2: ("active", "daily"), 3: ("ended", "daily")}
    assert (town.person().timezone, town.person().language) == ("Asia/Tokyo", "de")
    for field, value in (("timezone", "Mars/X"), ("language", "<b>")):
        answer = scanner.post(path, data={field: value})
        assert (answer.status_code, WORDS["de"].wrong(field) in answer.text) == (422, True)


def test_one_series_out_of_everything_and_everything_out_of_the_rest(scanner, town) -> None:
    town.join()
    path = f"/preferences/{town.handle()}"
    with_everything = EN.as_everything.format(cadence=EN.daily)
    assert choices(scanner.get(path)) == {
        EN.everything: EN.daily, "Ferries": with_everything, "Floods": with_everything, "Fog": with_everything,
    }  # fmt: skip
    scanner.post(path, data={"cadence-0": "daily", "cadence-1": "weekly", "cadence-2": "none", "cadence-3": ""})
    assert wishes(town) == {0: ("active", "daily"), 1: ("active", "weekly"), 2: ("ended", "daily")}
    assert choices(scanner.get(path)) == {
        EN.everything: EN.daily, "Ferries": EN.weekly, "Floods": EN.not_sent, "Fog": with_everything,
    }  # fmt: skip
    scanner.post(path, data={"cadence-0": "none"})
    assert wishes(town) == {0: ("ended", "daily"), 1: ("active", "weekly"), 2: ("ended", "daily")}
    assert not town.rows(Suppression), "one series is still followed"


def test_to_swap_one_series_for_another_is_not_to_leave(scanner, town) -> None:
    town.join("anna@example.org", "ferries")
    scanner.post(f"/preferences/{town.handle()}", data={"cadence-1": "none", "cadence-3": "daily"})
    assert wishes(town) == {1: ("ended", "daily"), 3: ("active", "daily")}
    assert not town.rows(Suppression)


def test_to_want_none_of_it_is_to_leave(scanner, town) -> None:
    town.join("anna@example.org", "ferries")
    path = f"/preferences/{town.handle()}"
    page = scanner.post(path, data={"cadence-1": "none"})
    assert EN.nothing_followed in page.text
    assert [s.reason for s in town.rows(Suppression)] == ["left"]
    page = scanner.post(path, data={"cadence-1": "daily"})
    assert EN.nothing_followed in page.text, "back only by confirming anew"
    assert wishes(town) == {1: ("ended", "daily")}


def test_leaving_and_erasing_from_the_preferences(scanner, town) -> None:
    town.join()
    path = f"/preferences/{town.handle()}"
    assert EN.unsubscribed_all in scanner.post(path, data={"leave": "all"}).text
    assert 'value="erase"' in scanner.get(path).text, "who left may still be erased"
    assert EN.erased in scanner.post(path, data={"leave": "erase"}).text
    assert not town.rows(Subscriber)
    assert not town.rows(Letter)
    assert EN.erased in scanner.get(path).text


def test_everybody_may_take_their_record_with_them(scanner, town) -> None:
    town.join("anna@example.org", "ferries")
    town.join("bo@example.org")
    answer = scanner.post(f"/preferences/{town.handle()}", data={"act": "record"})
    assert "attachment" in answer.headers["content-disposition"]
    record = json.loads(answer.content)
    assert (record["address"], record["timezone"]) == ("anna@example.org", "Europe/Lisbon")
    assert [s["series"] for s in record["subscriptions"]] == ["ferries"]
    assert [c["act"] for c in record["consent"]] == ["asked", "confirmed"]
    assert [(m["kind"], m["state"]) for m in record["mail"]] == [("transactional", "pending")]
    assert "bo@" not in answer.text


@pytest.mark.parametrize(
    ("path", "data"),
    [("preferences", {"leave": "erase"}), ("preferences", {"act": "record"}), ("preferences", {"timezone": "Asia/Tokyo"}),
     ("unsubscribe", {"choice": "all"})],
)  # fmt: skip
def test_erased_by_another_request_meanwhile(scanner, town, monkeypatch, path: str, data: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    town.join()
    handle, look = town.handle(), preferences.subscriber_by_handle

    def and_then_erased(session: Session, token: str) -> Subscriber | None:
        found = look(session, token)
        if found is not None:
            town.erase()
        return found

    monkeypatch.setattr(preferences, "subscriber_by_handle", and_then_erased)
    assert scanner.post(f"/{path}/{handle}", data=data).status_code == 200
    assert town.rows(Subscriber) == []
    town.join()
    one_click = scanner.post(f"/unsubscribe/{town.handle()}", **ONE_CLICK["urlencoded"])
    assert (one_click.status_code, one_click.text) == (200, "Unsubscribed.")
    assert town.rows(Subscriber) == []
