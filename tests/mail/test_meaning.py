"""The table of replies against a corpus of real ones, and the laws that hold for every reply."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.mail.meaning import ACCEPTED, enhanced_code, meaning_of

CORPUS = tomllib.loads((Path(__file__).parents[1] / "corpus/smtp-replies.toml").read_text("utf-8"))


@pytest.mark.parametrize(("name", "reply"), [(name, reply) for name, replies in CORPUS.items() for reply in replies])
def test_the_corpus(name: str, reply: str) -> None:
    assert meaning_of(reply).name == name


def test_every_meaning_of_the_table_is_in_the_corpus() -> None:
    from syndication.mail import meaning

    assert {row.meaning.name for row in meaning._TABLE} | {"accepted", "no answer"} == set(CORPUS)


@given(st.sampled_from("45"), st.integers(0, 99), st.text(max_size=80))
def test_every_refusal_means_something(first: str, rest: int, words: str) -> None:
    found = meaning_of(f"{first}{rest:02d} {words}")
    assert found is not ACCEPTED
    assert found.person == "fine" or found.destination == "fine"


@given(
    st.from_regex(r"\A5\.7\.[1-9][0-9]?\Z"),
    st.sampled_from(["no such user", "mailbox unavailable", "user unknown", "x"]),
)
def test_a_policy_refusal_never_counts_against_a_person(code: str, words: str) -> None:
    assert meaning_of(f"550 {code} {words}").person == "fine"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("550-5.1.1 no", "5.1.1"),
        ("550 #5.1.0 x", "5.1.0"),
        ("550 no 5.1.1", ""),
        ("250 ok", ""),
    ],
)
def test_the_enhanced_code(reply: str, code: str) -> None:
    assert enhanced_code(reply) == code
