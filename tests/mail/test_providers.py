"""Domains to providers: by the domain, by the MX host, by neither; a resolver that answers late or not at all."""

from __future__ import annotations

import threading
import time

import pytest

from syndication.mail.providers import Providers, group_of


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (["aspmx.l.google.com", "alt1.aspmx.l.google.com"], "google"),
        (["tideway-org.mail.protection.outlook.com"], "microsoft"),
        (["mta5.am0.yahoodns.net"], "yahoo"),
        (["mx01.mail.icloud.com"], "apple"),
        (["mx1.hoster.example"], "mx1.hoster.example"),
        (["notgoogle.com"], "notgoogle.com"),
        ([], "tideway.org"),
        ([""], "tideway.org"),
    ],
)
def test_groups(hosts: list[str], name: str) -> None:
    assert group_of(hosts, "tideway.org") == name


def test_the_big_ones_are_known_without_a_question_and_others_are_asked_once() -> None:
    asked: list[str] = []

    def look_up(domain: str) -> list[str]:
        asked.append(domain)
        return ["aspmx.l.google.com"]

    providers = Providers(look_up)
    wanted = {"gmail.com", "hotmail.com", "tideway.org", "p.example"}
    expected = {"gmail.com": "google", "hotmail.com": "microsoft", "tideway.org": "google", "p.example": "p.example"}
    assert providers.names(wanted) == expected
    assert providers.names(wanted) == expected
    assert asked == ["tideway.org"]


def test_a_resolver_that_does_not_answer_costs_no_slice_more_than_its_patience() -> None:
    answers = threading.Event()

    def look_up(domain: str) -> list[str]:
        answers.wait(20)
        return ["mx.late.example"]

    providers = Providers(look_up)
    assert providers.names({"slow.org"}) == {"slow.org": "slow.org"}
    answers.set()
    for _ in range(200):
        if providers.names({"slow.org"}) == {"slow.org": "mx.late.example"}:
            return
        time.sleep(0.01)
    pytest.fail("what was learnt late is used later")


def test_where_no_resolver_answers_nobody_is_asked_again_at_once() -> None:
    asked: list[str] = []

    def look_up(domain: str) -> list[str]:
        asked.append(domain)
        raise OSError("no network")

    providers = Providers(look_up)
    assert providers.names({"a.org"}) == {"a.org": "a.org"}
    assert providers.names({"a.org", "b.org"}) == {"a.org": "a.org", "b.org": "b.org"}
    assert asked == ["a.org"]
