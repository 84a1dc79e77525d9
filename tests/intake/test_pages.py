"""HTML as content systems write it and browsers save it: the text, what the page says of itself, and what is left out."""

from __future__ import annotations

import pytest

from syndication.errors import BadInput
from syndication.intake.blocks import Structured, structured
from syndication.intake.decode import decode
from syndication.intake.document import Read
from syndication.intake.embeds import without_embeds
from syndication.intake.markdown import read_markdown
from syndication.intake.notices import Own
from syndication.intake.page import read_html
from syndication.intake.sanitise import sanitised

OWN = Own("Harbour Office")
WORDS = "The ferry was late again, and nobody on the quay could say why it was so, though many had opinions. "
NOTICE = (
    "The positions of {0}, and our policy experts, are independent, and the findings and conclusions presented are those "
    "of {0} alone."
)
PAGE = f"""<!doctype html><html lang="en-US"><head><title>Why the Ferry Is Late - Tides Weekly</title>
<meta property="og:title" content="Why the Ferry Is Late"><meta property="og:description" content="On fog.">
<meta property="article:published_time" content="2026-05-04T09:00:00+00:00"><meta property="article:tag" content="Ferries">
<link rel="canonical" href="https://t.example/ferry/">
<script type="application/ld+json">{{"@graph": [{{"@type": "NewsArticle", "headline": "Why the Ferry Is Late",
"author": [{{"@type": "Person", "name": "Ana Ré"}}, {{"@type": "Person", "name": "Bo Lim"}}]}}]}}</script></head>
<body class="comments-open"><header><a href="/">Tides Weekly</a><nav>Menu</nav></header><main>
<article class="post comments-open"><header><h1>Why the Ferry Is Late</h1><div class="byline">By Ana Ré</div></header>
<p>{WORDS}<a href="#n1" id="r1">1</a></p><div class="sharedaddy"><h3>Share this:</h3></div>
<figure><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-src="ferry.png" alt="Ferry">
<noscript><img src="ferry.png" alt="Ferry"></noscript><figcaption>Late.</figcaption></figure>
<ol class="footnotes"><li id="n1">A note.</li></ol><script>track()</script></article>
<section class="comments"><article class="comment"><p>First! {WORDS * 9}</p></article></section></main>
<aside><form>Newsletter</form></aside><footer>All rights reserved.</footer></body></html>"""


def body(read: Read) -> Structured:
    return structured(read.blocks, OWN, "a.html")


def test_the_page_of_a_content_system() -> None:
    read = read_html(PAGE, "a.html")
    front = read.front
    assert (front.title, front.standfirst, front.language) == ("Why the Ferry Is Late", "On fog.", "en-US")
    assert [a.name for a in front.authors] == ["Ana Ré", "Bo Lim"]
    assert (front.topics, front.canonical_url) == (("Ferries",), "https://t.example/ferry/")
    assert front.published is not None
    text = body(read).body_html
    assert text.count("<img") == 1
    assert 'id="n1"' in text
    for gone in ("First!", "Menu", "Newsletter", "track", "rights", "data:", "Share", "By Ana"):
        assert gone not in text
    assert any("“Share this:”" in words and "“By Ana Ré”" in words for words in read.warnings)


def test_a_page_that_says_nothing_of_itself_has_its_text_guessed_with_a_word() -> None:
    page = PAGE.replace("<main>", "<div>").replace("</main>", "</div>").replace("article", "div")
    read = read_html(page, "a.html")
    assert "guessed" in " ".join(read.warnings)
    assert "nobody on the quay" in body(read).body_html


def test_a_page_of_nothing_but_a_text_is_taken_whole() -> None:
    read = read_html("<h1>Short</h1><h2>One</h2><p>Two.</p><ol><li>Three</ol>", "a.html")
    assert read.front.title == "Short"
    assert body(read).body_html == "<h2>One</h2>\n<p>Two.</p>\n<ol><li>Three</li></ol>"
    assert read.warnings == ()


def test_what_is_marked_as_the_body_of_an_article_is_it() -> None:
    page = (
        "<html><head><title>Site | Fog</title></head><body><nav>x</nav><div itemscope><h1 itemprop=headline>Fog</h1>"
        "<meta itemprop=datePublished content=2026-05-04><div itemprop='articleBody'><p>Text.</p></div></div></body></html>"
    )
    read = read_html(page, "a.html")
    assert (read.front.title, body(read).body_html) == ("Fog", "<p>Text.</p>")
    assert read.front.published is not None


@pytest.mark.parametrize(
    ("head", "warned"),
    [
        ("<meta name=language content=English>", "English"),
        ("<meta name=date content='4th of May'>", "4th of May"),
        ("<script type='application/ld+json'>{no json</script>", ""),
    ],
)
def test_what_a_page_says_wrongly_of_itself_stops_nothing(head: str, warned: str) -> None:
    read = read_html(
        f"<html><head>{head}</head><body><article><h1>T</h1><p>Text.</p></article></body></html>", "a.html"
    )
    assert body(read).body_html == "<p>Text.</p>"
    assert warned in " ".join(read.warnings)


def test_a_notice_outside_of_the_text_is_seen() -> None:
    page = "<html><body><article><h1>T</h1><p>Text.</p></article><footer><div><p>{}</p></div></footer></body></html>"
    assert body(read_html(page.format(NOTICE.format("Harbour Office")), "a.html")).body_html == "<p>Text.</p>"
    with pytest.raises(BadInput, match="notice of Inland Board"):
        body(read_html(page.format(NOTICE.format("Inland Board")), "a.html"))
    inside = f"<article><h1>T</h1><p>Text.</p><div class=byline>{NOTICE.format('Inland Board')}</div></article>"
    with pytest.raises(BadInput, match="notice of Inland Board"):
        body(read_html(inside, "a.html"))


@pytest.mark.parametrize("nest", ["div", "span", "blockquote"])
def test_what_is_nested_too_deep_is_refused_not_cut(nest: str) -> None:
    page = f"<article><h1>T</h1>{f'<{nest}>' * 150}<p>Deep.</p>{f'</{nest}>' * 150}</article>"
    with pytest.raises(BadInput, match="nested deeper than 100"):
        read_html(page, "a.html")


@pytest.mark.parametrize(
    ("head", "codec", "words"),
    [
        ("<meta charset=windows-1252>", "cp1252", "Café – “now” €5"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">', "cp1252", "“Größe”"),
        ('<?xml version="1.0" encoding="koi8-r"?>', "koi8-r", "Паром"),
        ("<meta charset=windows-1252>", "utf-8", "Café – it lies"),
    ],
)
def test_html_is_read_in_the_encoding_it_says_it_has(head: str, codec: str, words: str) -> None:
    text, _ = decode(f"{head}<p>{words}</p>".encode(codec), "a.html", max_bytes=1_000, declares=True)
    assert words in text


@pytest.mark.parametrize("name", ["rot13", "utf-7", "no-such", "zip"])
def test_an_encoding_that_is_none_is_not_tried(name: str) -> None:
    with pytest.raises(BadInput, match="is not UTF-8"):
        decode(f"<meta charset={name}>".encode() + b"\xff", "a.html", max_bytes=1_000, declares=True)
    with pytest.raises(BadInput, match="is not UTF-8"):
        decode(b"<meta charset=windows-1252>\xff", "a.txt", max_bytes=1_000)


def test_related_reading_apart_by_line_breaks_keeps_every_address() -> None:
    read = read_html(
        "<article><h1>T</h1><p>Text.</p><p>For more on this topic, please see</p><p><a href='https://h.example/a'>A</a> by Bo"
        "<br>B, no address<br/><a href='https://h.example/c'>C</a></p></article>",
        "a.html",
    )
    assert [(r.title, r.url) for r in body(read).related] == [
        ("A by Bo", "https://h.example/a"), ("B, no address", None), ("C", "https://h.example/c"),
    ]  # fmt: skip


def test_a_readers_comment_is_not_the_text_though_it_is_longer() -> None:
    page = (
        "<html><head><title>T</title></head><body><article><p>Text.</p></article>"
        f"<section id=comments><article><p>{WORDS * 9}</p></article></section></body></html>"
    )
    assert body(read_html(page, "a.html")).body_html == "<p>Text.</p>"


def test_films_become_links_drawings_go_and_both_are_told() -> None:
    markup = (
        "<p>Text</p><iframe src='/film' title='A film'></iframe><svg><text>drawn</text></svg><p><math><mi>x</mi></math></p>"
        "<object data='javascript:x()'>words</object>"
    )
    got, told = without_embeds(markup, "https://h.example/", "a.html")
    assert '<p><a href="https://h.example/film">A film</a></p>' in got
    assert "drawn" not in got
    assert "words" in got
    assert [words.split(" ")[1] for words in told[:3]] == ["iframe", "object", "drawing"]
    assert "<math> was reduced to its words" in told


def test_columns_stay_aligned() -> None:
    markup = read_markdown("# T\n\n| a | b |\n|---|--:|\n| 1 | 2 |", "a.md").blocks[0].html
    assert sanitised(markup, "https://h.example").count('align="right"') == 2
