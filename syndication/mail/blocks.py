"""One entry as it stands in a mail: compiled once for each revision, in three lengths, HTML and text alike. Pure.

The HTML is a table with its styles inlined, ready to be set between others; addresses are absolute and nothing has an `id`,
so that two entries never disturb one another.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import css_inline
from lxml import etree
from lxml import html as lxml_html

from syndication.content import Related
from syndication.feeds.view import direction
from syndication.feeds.words import words as series_words
from syndication.mail.aloud import aloud
from syndication.mail.words import words_for

Render = Callable[..., str]

FULL, STANDFIRST, TITLE = "full", "standfirst", "title"
LENGTHS = (FULL, STANDFIRST, TITLE)
ENTRY_HTML, ENTRY_TEXT, STYLE = "mail/entry.html", "mail/entry.txt", "mail/style.css"
COLUMN = 576  # width of the text column in CSS pixels: 640 less the card's padding
_UNWANTED = ("id", "loading", "srcset", "sizes", "decoding", "height", "name")
_LOWER = {"h1": "h3", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6"}  # the entry's title is the h2


@dataclass(frozen=True, slots=True)
class EntryText:
    """What a mail shows of one revision; `body_html` and `url` are absolute, `summary` is one line.

    `remark` is said above the text (corrected since, withdrawn since): view in browser only.
    """

    revision_id: int
    title: str
    url: str
    standfirst: str
    summary: str
    body_html: str
    language: str
    authors: tuple[str, ...]
    series_title: str
    series_url: str
    part: int | None
    related: tuple[Related, ...] = ()
    notes: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """An entry's HTML and text by length (`full`, `standfirst`, `title`)."""

    html: dict[str, str]
    text: dict[str, str]


def compile_block(render: Render, entry: EntryText) -> Block:
    """All lengths of one entry. `render(template, **context)` gives text; raises NeedsHuman for a broken template."""
    words = words_for(entry.language)
    series = series_words(entry.language)
    spoken = aloud(entry.body_html, image_word=words.image)
    style = render(STYLE)
    context = {
        "entry": entry,
        "words": words,
        "mark": series.plain if entry.part is None else series.numbered.format(part=entry.part),
        "dir": direction(entry.language),
        "body": mail_body(entry.body_html, entry.url),
        "spoken": spoken,
        "LENGTHS": LENGTHS,
    }
    return Block(
        html={
            length: css_inline.inline_fragment(
                render(ENTRY_HTML, length=length, **context), style, load_remote_stylesheets=False
            )
            for length in LENGTHS
        },
        text={length: tidy(render(ENTRY_TEXT, length=length, **context)) for length in LENGTHS},
    )


def mail_body(body_html: str, url: str) -> str:
    """A sanitised body made fit for mail clients: links into the text lead to the page, images stay in the column."""
    if not body_html.strip():
        return ""
    try:
        root = lxml_html.fragment_fromstring(body_html, create_parent="div")
    except etree.ParserError:
        return ""
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag == "img":
            _fit(element)
        for name in _UNWANTED:
            element.attrib.pop(name, None)
        if element.tag == "a" and (element.get("href") or "").startswith("#"):
            element.set("href", url + element.get("href", ""))
        elif element.tag == "table":
            element.set("class", "data")
        element.tag = _LOWER.get(element.tag, element.tag)
    inner = html.escape(root.text or "", quote=False)
    return inner + "".join(lxml_html.tostring(child, encoding="unicode") for child in root)


def _fit(image: lxml_html.HtmlElement) -> None:
    width = image.get("width", "")
    image.set("width", str(min(int(width), COLUMN)) if width.isdigit() else str(COLUMN))
    image.set("alt", image.get("alt", ""))


def tidy(text: str) -> str:
    """No blanks at line ends, at most one empty line, no empty lines at the edges."""
    lines: list[str] = []
    for line in (line.rstrip() for line in text.splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
