"""What a feed shows, as plain records with absolute addresses: the one source of every format. Pure.

The full text of an item is a fragment: standfirst, series, body, related reading, notes, and the notice once at the end.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime

from syndication.content import Author, EntryContent, PublishedNotice, Related
from syndication.feeds.disclaimers import visible_text

SUMMARY_CHARACTERS = 300
RTL = frozenset({"ar", "arc", "dv", "fa", "he", "ks", "ku", "ps", "sd", "ug", "ur", "yi"})
WORDS = {
    "en": ("Part of the series", "Part {part} of the series", "For more on this topic please see:"),
    "de": ("Teil der Reihe", "Teil {part} der Reihe", "Mehr zu diesem Thema:"),
    "fr": ("Dans la série", "Partie {part} de la série", "À lire aussi sur ce sujet :"),
    "es": ("Parte de la serie", "Parte {part} de la serie", "Más sobre este tema:"),
}
_MEDIA = re.compile(r'((?:src|href)=")media:')
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class ItemView:
    """One entry as a feed item. `content_html` carries the notice; `notice_text` is what the gate counts in it."""

    entry_id: int
    id: str
    url: str
    title: str
    summary: str
    content_html: str
    notice_text: str
    language: str
    published: datetime
    updated: datetime
    authors: tuple[Author, ...]
    topics: tuple[str, ...]
    related: tuple[Related, ...]
    image_url: str | None
    licence_url: str | None


@dataclass(frozen=True, slots=True)
class FeedView:
    """One feed. `self_urls` maps rss, atom, json to the address it is fetched from; `home_url` is the HTML page."""

    id: str
    title: str
    description: str
    language: str
    home_url: str
    self_urls: dict[str, str]
    updated: datetime
    publisher: str
    publisher_url: str
    items: tuple[ItemView, ...]
    hubs: tuple[str, ...] = ()  # WebSub hubs that push this feed; none for a private one


def series_url(base_url: str, series_slug: str) -> str:
    return f"{base_url}/series/{series_slug}/"


def page_url(base_url: str, series_slug: str, slug: str) -> str:
    """Our own page of an entry."""
    return f"{base_url}/series/{series_slug}/{slug}/"


def entry_url(base_url: str, series_slug: str, slug: str, content: EntryContent) -> str:
    """The entry's canonical address: the publisher's own page where it has one, else ours."""
    return content.canonical_url or page_url(base_url, series_slug, slug)


def feed_url(base_url: str, name: str, fmt: str, *, private: bool = False) -> str:
    """Where a feed is fetched: `/feeds/<name>.<fmt>`; a partner's at one address for all, known by their token."""
    return f"{base_url}/partners/v1/feed.{fmt}" if private else f"{base_url}/feeds/{name}.{fmt}"


def hub_url(base_url: str) -> str:
    """Our own WebSub hub."""
    return f"{base_url}/hub"


def absolute_body(body_html: str, base_url: str) -> str:
    """A stored body with its images at their public addresses."""
    return _MEDIA.sub(lambda m: f"{m[1]}{base_url}/media/", body_html)


def direction(language: str) -> str:
    return "rtl" if language.split("-")[0].lower() in RTL else "ltr"


def words(language: str) -> tuple[str, str, str]:
    """(part of the series, part {part} of the series, for more please see) in a language, else in English."""
    return WORDS.get(language.split("-")[0].lower(), WORDS["en"])


def clean(text: str) -> str:
    """Without the characters XML 1.0 has no place for; one of them would end a whole feed."""
    return _NOT_XML.sub("", text)


def summary_of(content: EntryContent) -> str:
    """The standfirst, else the beginning of the body; plain text, one line."""
    if content.standfirst:
        return clean(" ".join(content.standfirst.split()))
    text = clean(" ".join(visible_text(content.body_html).split()))
    return text if len(text) <= SUMMARY_CHARACTERS else text[:SUMMARY_CHARACTERS].rsplit(" ", 1)[0] + " …"


def fragment(
    content: EntryContent,
    notice: PublishedNotice,
    *,
    base_url: str,
    language: str,
    series_title: str,
    series_address: str,
    part: int | None,
    series_note: str,
) -> str:
    """The full text of an entry as one HTML element, the notice last and once."""
    plain, numbered, more = words(language)
    mark = numbered.format(part=part) if part is not None else plain
    pieces = [f'<div lang="{_e(language)}" dir="{direction(language)}">']
    if content.standfirst:
        pieces.append(f"<p><strong>{_e(content.standfirst)}</strong></p>")
    pieces.append(f'<p><em>{_e(mark)} <a href="{_e(series_address)}">{_e(series_title)}</a></em></p>')
    pieces.append(absolute_body(content.body_html, base_url))
    if content.related:
        items = "".join(
            f'<li><a href="{_e(r.url)}">{_e(r.title)}</a></li>' if r.url else f"<li>{_e(r.title)}</li>"
            for r in content.related
        )
        pieces.append(f"<p><strong>{_e(more)}</strong></p><ul>{items}</ul>")
    pieces.extend(f"<p>{_e(note)}</p>" for note in (*content.notes, series_note) if note)
    pieces.append(f"<hr>{notice.html}</div>")
    return clean("\n".join(pieces))


def item_view(
    content: EntryContent,
    notice: PublishedNotice,
    *,
    entry_id: int,
    tag_uri: str,
    base_url: str,
    language: str,
    series_slug: str,
    series_title: str,
    series_note: str,
    slug: str,
    part: int | None,
    published: datetime,
    updated: datetime,
) -> ItemView:
    """An entry as every format shows it; `language` is the entry's own or the publication's."""
    return ItemView(
        entry_id=entry_id,
        id=tag_uri,
        url=entry_url(base_url, series_slug, slug, content),
        title=clean(content.title),
        summary=summary_of(content),
        content_html=fragment(
            content,
            notice,
            base_url=base_url,
            language=language,
            series_title=series_title,
            series_address=series_url(base_url, series_slug),
            part=part,
            series_note=series_note,
        ),
        notice_text=notice.text,
        language=language,
        published=published,
        updated=updated,
        authors=content.authors,
        topics=content.topics,
        related=content.related,
        image_url=f"{base_url}/media/{content.images[0].name}" if content.images else None,
        licence_url=content.licence_url,
    )


def _e(text: str) -> str:
    return html.escape(text)
