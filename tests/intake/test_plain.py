"""The plain-text form: what is guessed, what is left alone, and that no word is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.errors import BadInput
from syndication.feeds.disclaimers import visible_text
from syndication.intake.blocks import structured
from syndication.intake.notices import Own
from syndication.intake.plain import read_plain

OWN = Own("Harbour Office")


def body(text: str) -> str:
    return structured(read_plain(f"Title\n\n{text}", "a.txt").blocks, OWN, "a.txt").body_html


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("one\ntwo", "<p>one two</p>"),
        ("one  \ntwo", "<p>one<br>two</p>"),
        ("- one\n- two\n  goes on", "<ul><li>one</li><li>two goes on</li></ul>"),
        ("* one\n\n* two\n\n* three", "<ul><li>one</li><li>two</li><li>three</li></ul>"),
        ("3. one\n4) two", '<ol start="3"><li>one</li><li>two</li></ol>'),
        ("We want:\n- one\n- two", "<p>We want:</p>\n<ul><li>one</li><li>two</li></ul>"),
        ("> one\n> two\n>\n> three\n\n> four", "<blockquote><p>one two</p><p>three</p><p>four</p></blockquote>"),
        ("Heading\n=======", "<h2>Heading</h2>"),
        ("Heading\n---", "<h3>Heading</h3>"),
        ("## Heading ##\n\nText", "<h2>Heading</h2>\n<p>Text</p>"),
        ("one\n\n* * *\n\ntwo", "<p>one</p>\n<hr>\n<p>two</p>"),
        ("    a  b\n      c", "<pre>a  b\n  c</pre>"),
        ("a\tb\n1\t2", "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></tbody></table>"),
        (
            "See https://h.example/a?b=1&c=2. Or (https://h.example/d).",
            '<p>See <a href="https://h.example/a?b=1&amp;c=2">https://h.example/a?b=1&amp;c=2</a>. '
            'Or (<a href="https://h.example/d">https://h.example/d</a>).</p>',
        ),
    ],
)
def test_what_is_recognised(text: str, markup: str) -> None:
    assert body(text) == markup


@pytest.mark.parametrize(
    "text",
    [
        "- Where are you going?",
        "5. May was cold.",
        "A short line",
        "\tAn indented paragraph.",
        "1. May was cold\nand wet.",
        "*not* _marked_ <b>up</b> & so on",
        "he said - and - left",
        "a\tb",
    ],
)
def test_what_may_be_meant_otherwise_is_a_paragraph(text: str) -> None:
    got = body(text)
    assert re.fullmatch(r"<p>[^<]*</p>", got)
    assert visible_text(got).split() == text.split()


@given(
    st.lists(
        st.text(alphabet="ab1.-*•>#=~_ \t\n():–—“’&<", min_size=1, max_size=60).filter(lambda t: re.search(r"[ab1]", t)),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_no_word_is_lost(paragraphs: list[str]) -> None:
    text = "\n\n".join(["xx", *paragraphs, "yy"])

    def words(shown: str) -> list[str]:
        return [w for w in re.findall(r"[ab1xy]+", shown) if w.strip("1")]  # an item's number stands in the markup

    assert words(visible_text(body(text))) == words(text)


def test_a_title_may_be_underlined_or_marked_and_stands_alone() -> None:
    assert read_plain("Slow boats\n==========\n\nText", "a.txt").front.title == "Slow boats"
    assert read_plain("# Slow boats\n\nText", "a.txt").front.title == "Slow boats"
    with pytest.raises(BadInput, match="no title"):
        read_plain("word " * 100 + "\n\nText", "a.txt")
