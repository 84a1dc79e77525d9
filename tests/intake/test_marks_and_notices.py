"""The marks of a document and the notice at its end, on plain data: what is taken, what stays, what is refused."""

from __future__ import annotations

import pytest

from syndication.errors import BadInput
from syndication.feeds.disclaimers import STANDARD, render_notice
from syndication.intake.blocks import Structured, from_html, structured
from syndication.intake.markdown import read_markdown
from syndication.intake.notices import Own, at_end, named_in
from syndication.intake.page import read_html
from syndication.intake.plain import read_plain

OWN = Own("Harbour Office", (), ("harbour-office",))
FIRST = (
    "The positions of {0}, and our policy experts, are independent, and the findings and conclusions presented are those "
    "of {0} alone."
)
THANKS = " A full list of supporters is available here. {0} would like to acknowledge the many generous supporters."
NOTICE = (FIRST + THANKS).format("Harbour Office")
NOTICE_WHOLE, _ = render_notice(STANDARD["en"], name="Harbour Office", supporters_url="https://h.example/s")


def plain(*paragraphs: str, between: str = "\n\n") -> Structured:
    return structured(read_plain(between.join(("Title", *paragraphs)), "a.txt").blocks, OWN, "a.txt")


@pytest.mark.parametrize(
    "notice",
    [
        NOTICE,
        NOTICE.replace(" ", "\n", 9),
        NOTICE.replace(" ", "\u00a0"),
        f"*{NOTICE}*",
        f"Disclaimer: {NOTICE}",
        NOTICE.replace("here.", "here <https://h.example/supporters?a=1>."),
        NOTICE.replace("here.", "here (https://h.example/s)."),
        FIRST.format("the Harbour Office"),
        FIRST.format("HARBOUR OFFICE"),
        FIRST.format("harbour-office"),
        FIRST.format("Harbour Office").replace(", and our policy experts,", " and its scholars"),
    ],
)
def test_the_own_notice_is_taken_whatever_its_dress(notice: str) -> None:
    assert plain("Text.", notice).body_html == "<p>Text.</p>"
    assert plain("Text.", notice, "Explore The Series").body_html == "<p>Text.</p>"


@pytest.mark.parametrize("language", STANDARD)
@pytest.mark.parametrize("name", ["Harbour Office", "U.S. Board of Tides", "O’Neil & Sons, Inc.", "港務局"])
def test_every_standard_wording_names_its_publisher(language: str, name: str) -> None:
    text, _ = render_notice(STANDARD[language], name=name, supporters_url="https://h.example/s", language=language)
    found = named_in(text, whole=True)
    assert found is not None
    assert found.strip(".") == name.replace("’", "'").strip(".")
    with pytest.raises(BadInput, match="the publication is Somebody"):
        at_end(["Text.", text], Own("Somebody"), "a.txt")


def test_a_name_of_its_own_wording_is_the_publications_own() -> None:
    own = Own("The Office", (NOTICE,), ("office",))
    assert at_end(["Text.", FIRST.format("Harbour Office")], own, "a.txt").count == 1
    custom = Own("The Office", ("We speak for ourselves and “nobody” else – ever.",))
    assert at_end(["Text.", 'We speak for  ourselves and "nobody" else - ever.'], custom, "a.txt").count == 1


def test_a_paragraph_after_the_notice_is_never_lost_with_it() -> None:
    with pytest.raises(BadInput, match="paragraph 2 quotes the notice of Harbour Office"):
        plain("Text.", NOTICE, "Jane Doe writes about tides.")


@pytest.mark.parametrize(
    "paragraphs",
    [
        ("Text.", FIRST.format("Inland Board") + THANKS.format("Inland Board")),
        ("Text.", FIRST.format("U.S. Board"), "Explore The Series"),
        ("Text.", "Explore The Series", FIRST.format("Inland Board")),
        ("Text.", FIRST.format("Inland Board"), "For more on this topic please see:", "Tide tables"),
    ],
)
def test_anothers_notice_is_stopped_wherever_the_document_ends_with_it(paragraphs: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"notice of (Inland|U\.S\.) Board, the publication is Harbour Office") as error:
        plain(*paragraphs)
    assert error.value.remedy


def test_a_quoted_notice_is_refused_also_broken_into_paragraphs() -> None:
    with pytest.raises(BadInput, match="paragraph 2 quotes"):
        plain("One.", f"They write: “{NOTICE}” So it is.", "Three.")
    with pytest.raises(BadInput, match="paragraph 2 quotes"):
        plain("One.", *NOTICE.split(" and the ", 1)[0:1], "and the " + NOTICE.split(" and the ", 1)[1], "Four.")
    with pytest.raises(BadInput, match="paragraph 2 quotes"):
        structured(from_html(f"<p>Text.</p><section class=footnotes><p>{NOTICE}</p></section>"), OWN, "a.html")


def test_marks_need_no_blank_line() -> None:
    got = plain(
        "Standfirst.\nPart of a Series\nBody one.",
        "Body two.\nFor more on this topic please see:\n- Tide tables: https://h.example/t\n- Fares\n" + NOTICE,
        "EXPLORE THE SERIES",
    )
    assert got.standfirst == "Standfirst."
    assert got.body_html == "<p>Body one.</p>\n<p>Body two.</p>"
    assert [(r.title, r.url) for r in got.related] == [("Tide tables", "https://h.example/t"), ("Fares", None)]


def test_related_reading_may_be_empty_or_come_after_the_notice() -> None:
    assert plain("Text.", "For more on this topic please see:", NOTICE).related == ()
    got = plain("Text.", NOTICE, "For more on this topic please see:", "Fares")
    assert (got.body_html, [r.title for r in got.related]) == ("<p>Text.</p>", ["Fares"])


def test_prose_after_a_list_stays_in_the_body_with_a_warning() -> None:
    prose = "Long prose. " * 40
    got = plain("Text.", "For more on this topic please see:", "Fares", prose)
    assert [r.title for r in got.related] == ["Fares"]
    assert "Long prose" in got.body_html
    assert len(got.warnings) == 1
    got = plain("Text.", "Explore The Series", prose, NOTICE)
    assert "Long prose" in got.body_html
    assert "independent" not in got.body_html
    assert plain("Text.", "Explore The Series", "Part one", "Part two").body_html == "<p>Text.</p>"


def test_html_in_containers_keeps_its_flow_and_loses_the_notice() -> None:
    page = (
        "<article><header><h1>T</h1><p>Stand.</p></header><div dir=rtl lang=he>One <b>bold</b> word.<p>Two.</p>"
        f"<figure><img src=a.png alt=A><figcaption>C</figcaption></figure></div><section><p>Three.</p>"
        f"<footer><hr><p>The positions of Harbour Office, and our <a href='/x'>policy experts</a>{NOTICE[55:]}</p></footer>"
        "</section></article>"
    )
    got = structured(read_html(page, "a.html").blocks, OWN, "a.html")
    assert '<p lang="he" dir="rtl">One <b>bold</b> word.</p>' in got.body_html
    assert '<p lang="he" dir="rtl">Two.</p>' in got.body_html
    assert "<figcaption>C</figcaption></figure>" in got.body_html
    assert got.body_html.endswith("<p>Three.</p>")


def test_footnotes_after_the_notice_stay() -> None:
    read = read_markdown(f"# T\n\nText.[^1]\n\n{NOTICE}\n\n[^1]: The note.\n", "a.md")
    got = structured(read.blocks, OWN, "a.md")
    assert "The note." in got.body_html
    assert "independent" not in got.body_html


def test_the_longest_article_of_a_page_is_the_text() -> None:
    page = "<article><p>Teaser.</p></article><article><h1>T</h1><p>The long text of this page.</p></article>"
    assert [b.text for b in read_html(page, "a.html").blocks] == ["The long text of this page."]


@pytest.mark.parametrize("first", ["Part of a Series", "Explore The Series", NOTICE])
def test_a_mark_is_no_title(first: str) -> None:
    with pytest.raises(BadInput, match="no title") as error:
        read_plain(f"{first}\n\nText.", "a.txt")
    assert "line 1" in error.value.where


@pytest.mark.parametrize(
    ("head", "line", "reason"),
    [
        ("title: A\nrelated: [{title: X, url: 'javascript:alert(1)'}]", 3, "whole address"),
        ("title: A\n\nauthors: [{name: X, url: 'data:x'}]", 4, "whole address"),
        ("title: A\nlanguage: '\"><script>'", 3, "language"),
        ("title: A\npart: -1", 3, "part"),
        ("titel: A", 2, "titel"),
        ("title: A\ncanonical_url: 'https://h.example/\"onload=x'", 3, "whole address"),
    ],
)
def test_front_matter_is_held_to_its_kinds_and_named_by_line(head: str, line: int, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as error:
        read_markdown(f"---\n{head}\n---\nText", "a.md")
    assert error.value.where == f"a.md, line {line}"


@pytest.mark.parametrize("head", ["published: 2026-13-45", "title: " + "[" * 5_000, "title: [", "- a\n- b"])
def test_front_matter_that_is_no_yaml_is_refused_in_words(head: str) -> None:
    with pytest.raises(BadInput, match="front matter"):
        read_markdown(f"---\n{head}\n---\nText", "a.md")


def test_front_matter_gives_one_line_of_clean_text_and_may_be_empty() -> None:
    read = read_markdown('---\ntitle: "A\\nBcc: x\\0\\e"\nslug: 2026\n---\nText\n\n---\n\nMore', "a.md")
    assert (read.front.title, read.front.slug) == ("A Bcc: x", "2026")
    assert [b.text for b in read.blocks] == ["Text", "", "More"]
    assert read_markdown("\n---\n---\n# T\n\nText", "a.md").front.title == "T"


def test_a_notice_twice_at_the_end_is_taken_twice_and_a_part_of_it_with_a_word() -> None:
    assert plain("Text.", NOTICE, NOTICE).body_html == "<p>Text.</p>"
    rest = NOTICE_WHOLE.split("alone. ", 1)[1]
    got = plain("Text.", rest)
    assert got.body_html == "<p>Text.</p>"
    assert "a part of the notice" in got.warnings[0]
    with pytest.raises(BadInput, match="notice of Inland Board, the publication is Harbour Office"):
        plain("Text.", rest.replace("Harbour Office", "Inland Board"))


def test_more_than_a_standfirst_above_the_mark_is_not_lost() -> None:
    page = "<article><h1>T</h1><p>Stand.</p><p><img src=a.png alt=A></p><p>Part of a Series</p><p>Text.</p></article>"
    got = structured(read_html(page, "a.html").blocks, OWN, "a.html")
    assert got.standfirst == ""
    assert "a.png" in got.body_html
    assert "Part of" not in got.body_html
