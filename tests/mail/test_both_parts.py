"""The HTML and the text of a mail say the same, in the same order; the text can be read aloud."""

from __future__ import annotations

import re

import pytest
from hard_mail import HardMail
from lxml import html as lxml_html

from syndication.feeds.disclaimers import visible_text
from syndication.mail.aloud import aloud
from syndication.mail.blocks import FULL, LENGTHS, TITLE, compile_block
from syndication.mail.body import mail_body
from syndication.mail.edition import parts_of
from syndication.mail.words import WORDS, Words, words_for

_MARKS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")


def said_in_html(block: str, words: Words) -> list[str]:
    """What a person reads in an entry's HTML, with what the text says for pictures, tables, quotations and struck words."""
    root = lxml_html.fragment_fromstring(block, create_parent="div")
    for element in list(root.iter("img", "table", "blockquote", "del", "s", "rt", "q")):
        inner = element.text or ""
        if element.tag == "img":
            alt = element.get("alt", "")
            element.tail = (f"{words.image}: {alt}{'' if alt[-1] in '.!?' else '.'} " if alt else "") + (
                element.tail or ""
            )
        elif element.tag == "table" and element.get("role") != "presentation":
            spoken = aloud(lxml_html.tostring(element, encoding="unicode", with_tail=False), words).text
            for child in list(element):
                element.remove(child)
            element.text = spoken
        elif element.tag == "blockquote":
            (element[0] if len(element) else element).text = f"{words.quotation}: {(element[0].text or '').lstrip()}"
        elif element.tag in {"del", "s"}:
            element.text, element.tail = f"({words.struck}: {inner}", ")" + (element.tail or "")
        elif element.tag == "rt":
            element.text = f" ({inner})"
    return heard(visible_text(lxml_html.tostring(root, encoding="unicode")))


def said_in_text(block: str, words: Words) -> list[str]:
    """The text's words without the numbers and addresses of its links, which the HTML has in its links."""
    block = block.split(f"\n{words.links}:\n")[0] + "\n" + words.read_on if f"\n{words.links}:\n" in block else block
    block = re.sub(r" \[\d+\]", "", block)
    block = re.sub(r"^ *https://\S+$", "", block, flags=re.MULTILINE)
    note = re.escape(words.note).replace(r"\{number\}", r"(\d+)")
    block = re.sub(rf" \({note}\)", r"[\1]", block)
    begin = re.escape(words.note_begin).replace(r"\{number\}", r"\d+")
    block = re.sub(rf"^ *(?:{begin}|- |\d+\. )", "", block, flags=re.MULTILINE)
    return heard(block.translate(_MARKS))


def heard(text: str) -> list[str]:
    """Words, without the signs around them: `·` stands where the text has a full stop."""
    return re.findall(r"[\w€°%]+|\[\d+\]", text)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("slug", ["everything", "arabic", "japanese", "brief-an-die-kueste", "no-standfirst"])
def test_an_entry_says_the_same_words_in_the_same_order(hard: HardMail, slug: str, length: str) -> None:
    (entry,) = hard.texts(slug)
    block = compile_block(hard.wiring.renderer.render, entry)
    words = words_for(entry.language)
    in_html, in_text = said_in_html(block.html[length], words), said_in_text(block.text[length], words)
    if length == TITLE:  # a list of titles: the text leaves the series out
        assert in_html[-len(in_text) :] == in_text
        return
    assert in_html == in_text
    assert len(in_text) > (100 if (slug, length) == ("everything", FULL) else 8)


def test_the_frames_say_the_same(hard: HardMail) -> None:
    for language in ("en", "de"):
        text, html = (part.replace("\r\n", "\n") for part in parts_of(hard.message(language=language)))
        words = words_for(language)
        seen = " ".join(visible_text(html).split())
        for said in (words.contents, words.browser, words.preferences, words.unsubscribe, "4 Custom House Quay"):
            assert said in text
            assert said in seen
        assert words.why.format(publication="Haus am Kai – بيت المرفأ") in text
        titles = [entry.title for entry in hard.texts()]
        assert text.split(words.contents + ":\n")[1].split("\n\n")[0].splitlines() == [
            f"{n}. {title}" for n, title in enumerate(titles, 1)
        ]
        listed = lxml_html.fromstring(html.encode()).xpath("//ol[contains(@class, 'contents')]/li/a")
        assert [(a.text, a.get("href")) for a in listed] == [(e.title, e.url) for e in hard.texts()]
        assert f"\n\n{words.one_of.format(number=2, count=5)}\n" in text


@pytest.mark.parametrize("few", [1, 2])
def test_few_entries_need_no_contents(hard: HardMail, few: int) -> None:
    text, html = parts_of(hard.message(*hard.slugs[:few]))
    assert "In this mail" not in text
    assert "In this mail" not in html


def test_no_line_of_the_text_is_a_row_of_signs_and_no_link_is_long_without_need(hard: HardMail) -> None:
    text, _ = parts_of(hard.message())
    for line in text.splitlines():
        assert not line or re.search(r"\w", line), line
    ours = [line for line in text.splitlines() if line.startswith("https://news.quay.example/")]
    assert len(ours) == 8
    assert max(map(len, ours)) < 100


def test_text_is_made_to_be_read_aloud() -> None:
    spoken = aloud(
        '<h2>Head</h2><p>See <a href="https://x.example/y">this</a>.</p><ol start="3"><li>one<ul><li>in it</li></ul></li>'
        "<li>two</li></ol><table><tr><th>Year</th><th>Trips</th></tr><tr><td>2024</td><td>12</td></tr></table><hr>"
        '<figure><img alt="A ferry" src="x"><figcaption>At dawn</figcaption></figure><table><tr><td>a</td><td>b</td></tr>'
        "</table><pre>if x:\n    y</pre><blockquote><p>Said.</p></blockquote><p>10<sup>3</sup> H<sub>2</sub>O x<sup>th</sup> "
        "<del>no</del> <q>so</q></p><dl><dt>Term</dt><dd>Meaning</dd></dl>"
    )
    assert spoken.text.split("\n\n") == [
        "Head", "See this [1].", "3. one\n  - in it\n4. two", "Year: 2024. Trips: 12.", "Image: A ferry.", "At dawn", "a, b.",
        "if x:\n    y", "Quotation: Said.", "10³ H₂O xth (struck out: no) “so”", "Term", "Meaning",
    ]  # fmt: skip
    assert spoken.links == ["https://x.example/y"]


def test_links_in_tables_and_lists_are_numbered_where_they_stand() -> None:
    spoken = aloud(
        '<ul><li><a href="https://x.example/1">a</a></li></ul><table><tr><td><a href="https://x.example/2">b</a></td></tr>'
        '</table><p><a href="https://x.example/1">c</a> <a href="mailto:d@x.example">d</a></p>'
    )
    assert spoken.text.split("\n\n") == ["- a [1]", "b [2].", "c [1] d"]
    assert spoken.links == ["https://x.example/1", "https://x.example/2"]


FOOTNOTES = (
    '<p>One.<sup><a href="#e-fn1" id="e-r1">[1]</a></sup> Two.<sup><a href="#e-fn1" id="e-r2">[1:1]</a></sup> '
    'See <a href="#e-part">the part</a>.</p><section><ol><li id="e-fn1"><p>The note. <a href="#e-r1">↩︎</a></p></li></ol>'
    '</section><h2 id="e-part">Part</h2>'
)


def test_footnotes_are_numbers_in_both_parts_and_no_link_leads_nowhere() -> None:
    assert aloud(FOOTNOTES, WORDS["de"]).text.split("\n\n") == [
        "One. (Anmerkung 1) Two. (Anmerkung 1) See the part.", "Anmerkung 1: The note.", "Part",
    ]  # fmt: skip
    body = mail_body(FOOTNOTES, "https://n.example/1/")
    assert body.count("<sup>[1]</sup>") == 2
    assert re.findall(r'href="([^"]*)"', body) == ["https://n.example/1/#e-part"]
    assert "↩" not in body
    assert 'id="' not in body


ALONE = """<p>One.<sup><a href="#e-1" id="e-back1">1</a></sup> Two.<a href="#e-2"><sup id="e-back2">*</sup></a> See
<sup><a href="#e-part">the part</a></sup>.</p><p id="e-part">12 parts.</p><section><p id="e-1"><sup>1</sup> First.
<a href="#e-back1">Back</a></p><div id="e-2"><p>2. Second. <a href="#e-back2">Up</a></p><p>More.</p></div></section>"""


def test_a_footnote_may_be_a_paragraph_and_say_its_number_itself() -> None:
    assert aloud(ALONE).text.split("\n\n") == [
        "One. (note 1) Two. (note 2) See the part.", "12 parts.", "Note 1: First.", "Note 2: Second.", "More.",
    ]  # fmt: skip
    body = mail_body(ALONE, "https://n.example/1/")
    assert body.count("<sup>[1]</sup>") == body.count("[2]") == 1
    assert re.findall(r'href="([^"]*)"', body) == ["https://n.example/1/#e-part"], "no note's link, and none back"
    assert "Back" not in body
    assert "<sup>1</sup> First." in body


@pytest.mark.parametrize(
    "body", ["", " ", "<!-- -->", "<p></p>", "<img>", "<table></table>", "<table><tr></tr></table>", "<ol><li></li></ol>",
             '<ol start="99999999999999999999999x"><li>a</li></ol>', '<img width="9999999999999">', "<blockquote></blockquote>",
             "text & more <b>bold", '<a href="#x"></a>', "<sup></sup>"],
)  # fmt: skip
def test_bodies_with_next_to_nothing_in_them(body: str) -> None:
    assert isinstance(aloud(body).text, str)
    assert isinstance(mail_body(body, "https://n.example/"), str)


def test_alignment_and_widths_fit_the_column() -> None:
    body = mail_body(
        '<table><tr><td align="right">1</td><td align="evil">2</td></tr></table><img src="x" width="1200" height="5" alt="a">'
        '<img src="y" width="80" alt="">',
        "u",
    )
    assert '<td style="text-align: right">1</td><td>2</td>' in body
    assert re.findall(r'width="(\d+)"', body) == ["576", "80"]
    assert "height" not in body
