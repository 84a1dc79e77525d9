"""Subscribe and confirm, through the pages: one answer for everybody, one mail a day, and a person behind each confirmation."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import time_machine
from lxml import html
from starlette.testclient import TestClient

from syndication import clock
from syndication.audience.words import WORDS
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger.content import Publication
from syndication.ledger.tables import Consent, Letter, Subscriber, Subscription, Suppression
from syndication.publishing import add_notice
from syndication.web.app import create_app
from syndication.web.subscriptions import COOKIE
from syndication.wiring import Wiring


def link(wiring: Wiring, town) -> str:  # type: ignore[no-untyped-def]
    return f"/confirm/{wiring.signer.make('confirm', town.letter())}"


def states(town) -> set[str]:  # type: ignore[no-untyped-def]
    return {s.state for s in town.rows(Subscription)}


def seen(answer, address: str) -> tuple[object, ...]:  # type: ignore[no-untyped-def]
    """All that a visitor can see of an answer, the address and the signature in the cookie left out."""
    headers = {k: v for k, v in answer.headers.items() if k not in {"set-cookie", "content-length"}}
    cookie = answer.headers["set-cookie"].partition(";")
    return answer.status_code, answer.text.replace(address, "X"), headers, cookie[0].partition("=")[0], cookie[2]


def test_the_answer_is_the_same_whoever_is_asked_for(browser, town) -> None:
    town.join("active@example.org")
    town.ask("asked@example.org")
    for who, reason in (("left", "left"), ("barred", "complained")):
        town.join(f"{who}@example.org")
        town.leave(f"{who}@example.org", reason=reason)
    answers = {
        who: seen(browser.post("/subscribe", data={"email": f"{who}@example.org"}), f"{who}@example.org")
        for who in ("unknown", "active", "asked", "left", "barred")
    }
    for who, answer in answers.items():
        assert answer == answers["unknown"], who


def test_no_clock_tells_either(browser, town, monkeypatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("syndication.web.subscriptions.ANSWER_AFTER_SECONDS", 100.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert browser.get("/subscribe").status_code == 200
    assert slept == []
    browser.post("/subscribe", data={"email": "anna@example.org"})
    assert 50 < slept[0] < 100, "what is left of the time that every answer takes"


def test_form_fields_and_what_was_left_out(browser, town) -> None:
    fields = {"email": "a@example.org", "series": ["ferries", "fog"], "cadence": "weekly", "timezone": "Asia/Tokyo"}
    assert browser.post("/subscribe", data=fields | {"language": "de"}).status_code == 200
    assert {(s.scope, s.cadence) for s in town.rows(Subscription)} == {(1, "weekly"), (3, "weekly")}
    assert (town.person("a@example.org").timezone, town.person("a@example.org").language) == ("Asia/Tokyo", "de")
    browser.post("/subscribe", data={"email": "b@example.org"})
    person = town.person("b@example.org")
    assert (person.timezone, person.language) == ("Europe/Lisbon", "en")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("language", list(WORDS))
@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "a<b>@x"), ("series", "<i>"), ("cadence", "<i>"), ("timezone", "../<i>"), ("language", "<i>")],
)
def test_a_wrong_field_is_said_at_the_field_and_nothing_of_it_is_markup(wiring, town, language, field, value) -> None:  # type: ignore[no-untyped-def]
    with town.db.transaction() as session:
        for tag in ("fr", "es"):
            add_notice(session, session.get_one(Publication, 1), tag, STANDARD[tag])
    browser = TestClient(create_app(wiring), headers={"accept-language": language})
    answer = browser.post("/subscribe", data={"email": "a@example.org"} | {field: value})
    assert answer.status_code == 422
    assert value not in answer.text
    page = html.fromstring(answer.text)
    assert page.get("lang") == language
    assert page.xpath("string(//*[@role='alert'])") == WORDS[language].wrong(field)
    assert not town.rows(Subscriber)


@pytest.mark.parametrize(
    "data",
    [
        {"email": "a\0b@example.org"}, {"email": "a@example.org\r\nBcc: x@example.org"}, {"email": "é" * 10_000},
        {"email": "a@example.org", "series": "\0"}, {"email": "a@example.org", "timezone": "\0"},
        {"email": "a@example.org", "language": "\0"}, {"email": "\ud83d@example.org".encode("utf-8", "surrogatepass")},
    ],
)  # fmt: skip
def test_what_no_form_would_send_is_refused_in_words(browser, town, data) -> None:  # type: ignore[no-untyped-def]
    assert browser.post("/subscribe", data=data).status_code == 422
    assert not town.rows(Subscriber)


def test_a_name_cannot_carry_controls(browser, town) -> None:
    browser.post("/subscribe", data={"email": "a@example.org", "name": " Zoë\0\r\nBcc: x\u202e 李 \u200dک "})
    assert town.person("a@example.org").name == "Zoë Bcc: x 李 \u200dک"
    browser.post("/subscribe", data={"email": "b@example.org", "name": "=HYPERLINK(1)"})
    assert town.person("b@example.org").name == "HYPERLINK(1)", "no formula in somebody's spreadsheet"


def test_a_form_beyond_its_size_is_not_read(browser) -> None:
    assert browser.post("/subscribe", data={"email": "a@example.org", "name": "x" * 70_000}).status_code == 413


def test_the_field_that_no_person_sees(browser, town) -> None:
    trapped = browser.post("/subscribe", data={"email": "a@example.org", "website": "x"})
    assert not town.rows(Subscriber)
    honest = browser.post("/subscribe", data={"email": "b@example.org"})
    assert seen(trapped, "a@example.org") == seen(honest, "b@example.org")


def test_a_visitor_has_a_limit_and_is_told_when_it_ends(browser, town) -> None:
    answers = [browser.post("/subscribe", data={"email": f"a{i}@example.org"}) for i in range(14)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 4
    assert answers[-1].headers["retry-after"] == "3600"
    assert WORDS["en"].too_many in answers[-1].text
    assert len(town.rows(Letter)) == 10


def test_a_mailbox_has_a_limit_however_its_address_is_varied(browser, town) -> None:
    for i in range(14):
        varied = ("anna" if i % 2 else "a.n.na") + f"+{i}@example.org"
        answer = browser.post("/subscribe", data={"email": varied}, headers={"x-forwarded-for": f"192.0.2.{i}"})
        assert answer.status_code == 200
    assert len(town.rows(Letter)) == 10


def test_the_subscribing_browser_needs_one_button(browser, wiring, town) -> None:
    browser.post("/subscribe", data={"email": "anna@example.org"})
    path = link(wiring, town)
    assert 'type="radio"' not in browser.get(path).text
    assert states(town) == {"asked"}
    browser.post(path)
    assert states(town) == {"active"}
    assert WORDS["en"].confirmed_already in browser.get(path).text


def test_a_person_elsewhere_says_it_with_one_choice(browser, scanner, wiring, town) -> None:
    browser.post("/subscribe", data={"email": "anna@example.org"})
    page = html.fromstring(scanner.get(link(wiring, town)).text)
    assert [choice.get("checked") for choice in page.xpath("//input[@name='choice']")] == [None, None]
    assert WORDS["en"].choose_one in scanner.post(link(wiring, town)).text
    assert states(town) == {"asked"}
    scanner.post(link(wiring, town), data={"choice": "yes"})
    assert states(town) == {"active"}


@pytest.mark.parametrize("cookie", ["mallory", "forged", "of another key"])
def test_a_cookie_that_is_not_of_this_request_is_none(browser, wiring, town, cookie: str) -> None:
    town.ask("anna@example.org")
    path = link(wiring, town)
    browser.post("/subscribe", data={"email": "mallory@example.org"})
    if cookie == "forged":
        browser.cookies.set(COOKIE, "x.y.z", path="/confirm")
    elif cookie == "of another key":
        browser.cookies.set(COOKIE, wiring.signer.make("confirm", 1), path="/confirm")
    browser.post(path)
    assert {s.state for s in town.rows(Subscription) if s.subscriber_id == 1} == {"asked"}


def test_saying_no_ends_it_for_a_week_and_can_be_taken_back(scanner, wiring, town) -> None:
    town.ask("anna@example.org")
    path = link(wiring, town)
    assert WORDS["en"].declined in scanner.post(path, data={"choice": "no"}).text
    assert states(town) == {"ended"}
    assert [c.act for c in town.rows(Consent)] == ["asked", "declined"]
    for days, letters in ((2, 1), (6, 1), (8, 2)):
        with clock.shifted(timedelta(days=days)):
            town.ask("anna@example.org")
        assert len(town.rows(Letter)) == letters, days
    assert scanner.post(path, data={"choice": "yes"}).status_code == 200
    assert states(town) == {"active"}


def test_a_link_on_which_somebody_said_no_asks_again(scanner, browser, wiring, town) -> None:
    browser.post("/subscribe", data={"email": "anna@example.org"})
    path = link(wiring, town)
    scanner.post(path, data={"choice": "no"})
    page = browser.get(path).text
    assert WORDS["en"].declined_before in page
    assert 'type="radio"' in page, "not even the subscribing browser's word is taken for it"
    browser.post(path, data={"choice": "yes"})
    assert states(town) == {"active"}


def test_links_that_do_not_work_say_why(scanner, wiring, town) -> None:
    town.ask("anna@example.org")
    path, words = link(wiring, town), WORDS["en"]
    for wrong in ("/confirm/nonsense", f"/confirm/{wiring.signer.make('issue', 1)}", path[:-2], path + "x"):
        answer = scanner.get(wrong)
        assert (answer.status_code, words.link_forged in answer.text) == (404, True), wrong
    with time_machine.travel(clock.now() + timedelta(hours=73)):
        answer = scanner.post(path, data={"choice": "yes"})
    assert (answer.status_code, words.link_expired in answer.text) == (410, True)
    assert states(town) == {"asked"}
    town.confirm()
    town.leave()
    answer = scanner.post(path, data={"choice": "yes"})
    assert (answer.status_code, words.link_left in answer.text) == (410, True)
    town.leave(reason="complained")
    answer = scanner.post(path, data={"choice": "yes"})
    assert (answer.status_code, words.link_barred in answer.text) == (403, True)
    town.erase()
    assert scanner.get(path).status_code == 410
    assert states(town) == set()


def test_an_unconfirmed_request_is_written_to_as_the_newest_one_writes_it(browser, town) -> None:
    browser.post("/subscribe", data={"email": "ANNA@example.org"})
    browser.post("/subscribe", data={"email": "anna@example.org", "timezone": "Asia/Tokyo"})
    assert [(p.address, p.timezone) for p in town.rows(Subscriber)] == [("anna@example.org", "Asia/Tokyo")]
    town.confirm()
    browser.post("/subscribe", data={"email": "Anna@example.org", "timezone": "UTC"})
    assert [(p.address, p.timezone) for p in town.rows(Subscriber)] == [("anna@example.org", "Asia/Tokyo")]


def test_pages_speak_the_language_of_who_reads_them(browser, wiring, town) -> None:
    def language(answer) -> str:  # type: ignore[no-untyped-def]
        return str(html.fromstring(answer.text).get("lang"))

    assert language(browser.get("/subscribe", headers={"accept-language": "de-AT, en;q=0.5"})) == "de"
    assert language(browser.get("/subscribe", headers={"accept-language": "ja"})) == "en"
    assert language(browser.get("/subscribe?language=de")) == "de"
    answer = browser.post("/subscribe", data={"email": "anna@example.org", "language": "de"})
    assert language(answer) == "de"
    assert language(browser.get(link(wiring, town))) == "de"
    assert WORDS["de"].confirm_button in browser.get(link(wiring, town)).text


def test_who_left_comes_back_the_same_day_by_the_letter_that_is_there(browser, scanner, wiring, town) -> None:
    town.join()
    town.leave()
    browser.post("/subscribe", data={"email": "anna@example.org"})
    assert len(town.rows(Letter)) == 1
    assert town.rows(Suppression)
    scanner.post(link(wiring, town), data={"choice": "yes"})
    assert states(town) == {"active"}
    assert not town.rows(Suppression)
