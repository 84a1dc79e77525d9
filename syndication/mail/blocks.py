"""One entry as it stands in a mail: compiled once for each revision, in three lengths, HTML and text alike. Pure.

The HTML is a table with its styles inlined, ready to be set between others; addresses are absolute. Both say the same words
in the same order; what we say around a text whose language we do not speak is marked as English.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import css_inline

from syndication import locales
from syndication.content import Related
from syndication.feeds.view import direction
from syndication.feeds.words import words as series_words
from syndication.mail.aloud import aloud
from syndication.mail.body import mail_body
from syndication.mail.words import spoken, words_for

Render = Callable[..., str]

FULL, STANDFIRST, TITLE = "full", "standfirst", "title"
LENGTHS = (FULL, STANDFIRST, TITLE)
ENTRY_HTML, ENTRY_TEXT, STYLE = "mail/entry.html", "mail/entry.txt", "mail/style.css"


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
    series_language: str
    part: int | None
    published: date | None = None  # in the publication's zone
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
    series = series_words(words.language)
    style = render(STYLE)
    context = {
        "entry": entry,
        "words": words,
        "foreign": spoken(entry.language) != entry.language,
        "mark": series.plain if entry.part is None else series.numbered.format(part=entry.part),
        "day": locales.day(entry.published, entry.language) if entry.published else "",
        "dir": direction(entry.language),
        "series_dir": direction(entry.series_language),
        "body": mail_body(entry.body_html, entry.url),
        "spoken": aloud(entry.body_html, words),
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


def tidy(text: str) -> str:
    """No blanks at line ends, at most one empty line, no empty lines at the edges."""
    lines: list[str] = []
    for line in (line.rstrip() for line in text.splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
