"""Names of feeds: one set of parts has one name, and nothing else can have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.content import Author, EntryContent
from syndication.feeds.naming import MOST_PARTS, Name, is_name, mark_name, marks_of, parsed, part_mark, slugified, takes

PARTS = st.sampled_from(["tides", "by.ana-re", "on.ferries", "in.pt-br", "daily", "on.daily", "weekly", "a", "x-1"])


@given(st.lists(PARTS, min_size=1, max_size=MOST_PARTS), st.sampled_from(["", "daily", "weekly"]), st.randoms())
def test_one_set_of_parts_has_one_name(parts: list[str], digest: str, random: object) -> None:
    said = parsed(str(Name(tuple(parts), digest)))
    assert said == Name(tuple(sorted(set(parts))), digest)
    assert parsed(str(said)) == said
    again = list(parts)
    random.shuffle(again)  # type: ignore[attr-defined]
    assert parsed(str(Name(tuple(again), digest))) == said


def test_everything_and_more_is_everything() -> None:
    assert parsed("floods+all.weekly") == Name(("all",), "weekly")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "+",
        "a+",
        "A",
        "a b",
        "a..daily",
        "../a",
        "by.",
        "of.ana",
        "a/b",
        "a.hourly",
        "-a",
        "+".join(["a"] * 13),
        "é",
    ],
)
def test_what_is_no_name(name: str) -> None:
    assert parsed(name) is None


@pytest.mark.parametrize("name", ["all", "by", "on", "in", "private", "scope-1", "a+b", "by.ana", "a.daily", "Ä", ""])
def test_what_a_publisher_may_not_call_a_feed(name: str) -> None:
    assert not is_name(name)


@given(st.text(max_size=200))
def test_no_publisher_can_name_a_feed_like_a_mark_or_a_composition(name: str) -> None:
    if is_name(name):
        assert "." not in name
        assert "+" not in name


@pytest.mark.parametrize(
    ("words", "slug"), [("Ana Ré", "ana-re"), ("渡輪", "dulun"), ("…", ""), ("O'Brien & co", "obrien-co")]
)
def test_words_as_they_stand_in_addresses(words: str, slug: str) -> None:
    assert slugified(words) == slug


def test_the_marks_of_an_entry() -> None:
    content = EntryContent(
        title="T",
        body_html="<p>x</p>",
        authors=(Author(name="Ana Ré"), Author(name="…")),
        topics=("Ferries", "ferries"),
    )
    marks = marks_of(content, "tides", "pt-BR")
    assert marks == {
        "series:tides": "",
        "author:ana-re": "Ana Ré",
        "topic:ferries": "Ferries",
        "language:pt-br": "pt-BR",
    }
    assert [mark_name(mark) for mark in marks] == ["tides", "by.ana-re", "on.ferries", "in.pt-br"]
    assert [part_mark(mark_name(mark)) for mark in marks] == list(marks)


def test_an_entry_has_one_mark_of_each_group() -> None:
    marks = ("series:tides", "author:ana")
    assert takes([], marks)
    assert takes([["series:floods", "series:tides"], ["author:ana"]], marks)
    assert not takes([["series:tides"], ["topic:ferries"]], marks)
