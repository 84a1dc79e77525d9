"""Front matter: words as they stand, other systems' keys, mistakes named by line; and what becomes of the text below it."""

from __future__ import annotations

import pytest

from syndication.errors import BadInput
from syndication.intake.document import Read
from syndication.intake.markdown import read_markdown


def read(head: str, text: str = "Text") -> Read:
    return read_markdown(f"---\n{head}\n---\n{text}", "a.md")


def test_words_are_what_stands_there() -> None:
    front = read(
        "title: 1.10\nid: 012\nslug: 1_000\nlanguage: no\nstandfirst: yes\ntopics: [on, 12:30, 2026-01-01]"
    ).front
    assert (front.title, front.id, front.slug, front.language, front.standfirst) == (
        "1.10",
        "012",
        "1_000",
        "no",
        "yes",
    )
    assert front.topics == ("on", "12:30", "2026-01-01")


def test_empty_keys_say_nothing() -> None:
    front = read("title: A\nstandfirst:\nauthors:\npart: ~\nlanguage: null\npublished: ''\nrelated: []").front
    assert (front.standfirst, front.authors, front.part, front.language, front.published) == ("", (), None, None, None)


def test_the_keys_of_other_systems_are_understood_or_left_alone_with_a_word() -> None:
    got = read(
        "title: A\nauthor: Ana\ndate: 2026-01-02\ntags: [tides]\ndescription: Why.\nlang: de\nlayout: post\ndraft: true"
    )
    front = got.front
    assert ([a.name for a in front.authors], front.topics, front.standfirst, front.language) == (
        ["Ana"], ("tides",), "Why.", "de",
    )  # fmt: skip
    assert front.published is not None
    (warning,) = got.warnings
    assert "layout, draft" in warning


@pytest.mark.parametrize(
    ("head", "line", "reason", "remedy"),
    [
        ("title: A\npublish_on: 2031-01-01", 3, "'publish_on'", "publish_at"),
        ("title: A\npublishDate: 2031-01-01", 3, "'publishDate'", "publish"),
        ("title: A\nauthors: [A]\nauthor: B", 4, "authors twice", "leave one"),
        ("title: A\ntitle: B", 3, "title stands twice", "leave one"),
        ("a: &a [x]\ntitle: *a", 3, "aliases", "write it out"),
        ("title: A\n\tpart: 3", 3, "tab|\\\\t", "spaces"),
        ("title: Fares: a history", 2, "not YAML", "quotes"),
        ("title: A\npublished: 2026", 3, "is no date", "correct"),
        ("title: A\npublish_at: 31 March", 3, "is no date", "correct"),
        ("title: A\nauthors: [[B]]", 3, "authors.0: write words", "correct"),
        ("title: [A, B]", 2, "title: it should be words", "correct"),
        ("title: A\nrelated: [{title: X, link: 'https://x.example'}]", 3, "unknown key 'link'", "title and url"),
        ("title: A\nrelated: [{url: 'https://x.example'}]", 3, "title", "correct"),
        (f"title: {'x' * 501}", 2, "500", "correct"),
    ],
)
def test_a_mistake_is_named_with_its_line(head: str, line: int, reason: str, remedy: str) -> None:
    with pytest.raises(BadInput, match=reason) as error:
        read(head)
    assert error.value.where == f"a.md, line {line}"
    assert remedy in error.value.remedy


def test_a_thousand_million_laughs_are_refused_at_once() -> None:
    laughs = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(BadInput, match="aliases"):
        read(laughs)


def test_front_matter_of_another_kind_is_named() -> None:
    with pytest.raises(BadInput, match="TOML"):
        read_markdown('+++\ntitle = "A"\n+++\nText', "a.md")


def test_a_title_is_not_said_twice() -> None:
    assert [b.text for b in read("title: Tides", "# Tides\n\nText").blocks] == ["Text"]
    assert [b.text for b in read("title: Tides", "# Ebb\n\nText").blocks] == ["Ebb", "Text"]


def test_lines_are_counted_from_the_first_of_the_file() -> None:
    with pytest.raises(BadInput) as error:
        read_markdown("\n\n---\ntitle: A\npart: x\n---\nText", "a.md")
    assert error.value.where == "a.md, line 5"
