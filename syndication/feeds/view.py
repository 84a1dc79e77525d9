"""What a feed shows, as plain records with absolute addresses: the one source of every format. Pure.

The full text of an item is a fragment: standfirst, series, body, related reading, notes, and the notice once at the end.
Every text in a view is fit for XML 1.0, so that no format has to look.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from syndication.content import Author, EntryContent, PublishedNotice, Related
from syndication.feeds.body import as_uri, shown_body
from syndication.feeds.disclaimers import visible_text
from syndication.feeds.words import words

SUMMARY_CHARACTERS = 300
BRIEF_CHARACTERS = 2_000
RTL = frozenset({"ar", "arc", "dv", "fa", "he", "ks", "ku", "ps", "sd", "ug", "ur", "yi"})
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


MEDIA_TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "mp3": "audio/mpeg", "m4a": "audio/mp4",
    "ogg": "audio/ogg", "mp4": "video/mp4", "webm": "video/webm", "pdf": "application/pdf",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image of an entry, where it is fetched, and whose it is."""

    url: str
    media_type: str
    width: int
    height: int
    alt: str
    credit: str
    caption: str


@dataclass(frozen=True, slots=True)
class EnclosureView:
    """Sound, a film or a PDF of an entry, where it is fetched; `length` in bytes."""

    url: str
    media_type: str
    length: int
    title: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """One entry as a feed item. `content_html` carries the notice; `notice_text` is what the gate counts in it.
    `brief_html` stands for a full text that is too long for a feed: its beginning, a link to the whole, the notice."""

    entry_id: int
    id: str
    url: str
    title: str
    summary: str
    content_html: str
    brief_html: str
    notice_text: str
    language: str
    published: datetime
    updated: datetime
    authors: tuple[Author, ...]
    topics: tuple[str, ...]
    related: tuple[Related, ...]
    image_url: str | None
    licence_url: str | None
    images: tuple[ImageView, ...] = ()
    enclosures: tuple[EnclosureView, ...] = ()
    full: bool = True  # else `content_html` is a beginning only, and stands where a format has its summaries


@dataclass(frozen=True, slots=True)
class DeletedView:
    """An entry that was withdrawn (RFC 6721)."""

    id: str
    at: datetime
    reason: str


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
    older_urls: Mapping[str, str] = field(default_factory=dict)  # by format; where the archive goes on
    current_urls: Mapping[str, str] = field(
        default_factory=dict
    )  # by format, of a page of the archive: the feed itself
    complete: bool = False  # it shows everything there will ever be (RFC 5005 §2)
    deleted: tuple[DeletedView, ...] = ()  # said in Atom, to partners alone: a validator does not know it
    hubs: tuple[str, ...] = ()  # WebSub hubs that push this feed; none for a private one


def series_url(base_url: str, series_slug: str) -> str:
    return f"{base_url}/series/{series_slug}/"


def page_url(base_url: str, series_slug: str, slug: str) -> str:
    """Our own page of an entry."""
    return f"{base_url}/series/{series_slug}/{slug}/"


def entry_url(base_url: str, series_slug: str, slug: str, content: EntryContent) -> str:
    """The entry's canonical address: the publisher's own page where it has one, else ours."""
    return as_uri(content.canonical_url) if content.canonical_url else page_url(base_url, series_slug, slug)


def feed_url(base_url: str, name: str, fmt: str) -> str:
    """Where a public feed is fetched."""
    return f"{base_url}/feeds/{name}.{fmt}"


def feed_page_url(base_url: str, name: str) -> str:
    """The page that tells people what a feed is."""
    return f"{base_url}/feeds/{name}/"


def hub_url(base_url: str) -> str:
    """Our own WebSub hub."""
    return f"{base_url}/hub"


def direction(language: str) -> str:
    return "rtl" if language.split("-")[0].lower() in RTL else "ltr"


def clean(text: str) -> str:
    """Without the characters XML 1.0 has no place for; one of them would end a whole feed."""
    return _NOT_XML.sub("", text)


def summary_of(content: EntryContent) -> str:
    """The standfirst, else the beginning of the body, else (a picture alone) the title; plain text, one line."""
    if content.standfirst:
        return clean(" ".join(content.standfirst.split()))
    text = clean(" ".join((visible_text(content.body_html).strip() or content.title).split()))
    return text if len(text) <= SUMMARY_CHARACTERS else text[:SUMMARY_CHARACTERS].rsplit(" ", 1)[0] + " …"


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
    title, summary, url = clean(content.title), summary_of(content), entry_url(base_url, series_slug, slug, content)
    body = shown_body(content.body_html, base_url, page_url(base_url, series_slug, slug))
    said = words(language)
    mark = said.numbered.format(part=part) if part is not None else said.plain
    series = f'<p><em>{_e(mark)} <a href="{_e(series_url(base_url, series_slug))}">{_e(series_title)}</a></em></p>'
    notes = "\n".join(f"<p>{_e(note)}</p>" for note in (*content.notes, series_note) if note)
    full = [f"<p><strong>{_e(content.standfirst)}</strong></p>" if content.standfirst else "", series, body]
    if content.related:
        full.append(f"<p><strong>{_e(said.more)}</strong></p><ul>{''.join(map(_related, content.related))}</ul>")
    brief = [f"<p><strong>{_e(_shortened(summary))}</strong></p>", series]
    brief.append(f'<p><a href="{_e(url)}">{_e(said.whole.format(title=title))}</a></p>')

    def fragment(pieces: list[str]) -> str:
        inner = "\n".join(piece for piece in (*pieces, notes) if piece)
        return clean(f'<div lang="{_e(language)}" dir="{direction(language)}">\n{inner}\n<hr>{notice.html}</div>')

    return ItemView(
        entry_id=entry_id,
        id=tag_uri,
        url=url,
        title=title,
        summary=summary,
        content_html=fragment(full),
        brief_html=fragment(brief),
        notice_text=notice.text,
        language=language,
        published=published,
        updated=updated,
        authors=tuple(Author(name=clean(a.name), url=_uri(a.url)) for a in content.authors),
        topics=tuple(map(clean, content.topics)),
        related=tuple(Related(title=clean(r.title), url=_uri(r.url)) for r in content.related),
        image_url=f"{base_url}/media/{content.images[0].name}" if content.images else None,
        licence_url=_uri(content.licence_url),
        images=tuple(
            ImageView(
                url=f"{base_url}/media/{one.name}", media_type=MEDIA_TYPES[one.ext], width=one.width, height=one.height,
                alt=clean(one.alt), credit=clean(one.credit), caption=clean(one.caption),
            )
            for one in content.images
        ),
        enclosures=tuple(
            EnclosureView(f"{base_url}/media/{one.name}", MEDIA_TYPES[one.ext], one.length, clean(one.title))
            for one in content.attachments
        ),
    )  # fmt: skip


def briefer(item: ItemView) -> ItemView:
    """The item with the beginning of its text instead of all of it."""
    return replace(item, summary=_shortened(item.summary), content_html=item.brief_html)


def teaser(item: ItemView) -> ItemView:
    """The item of a feed that shows standfirsts."""
    return replace(briefer(item), full=False)


def _shortened(text: str) -> str:
    return text if len(text) <= BRIEF_CHARACTERS else text[:BRIEF_CHARACTERS].rsplit(" ", 1)[0] + " …"


def _related(one: Related) -> str:
    return f'<li><a href="{_e(one.url)}">{_e(one.title)}</a></li>' if one.url else f"<li>{_e(one.title)}</li>"


def _uri(address: str | None) -> str | None:
    return as_uri(address) if address else None


def _e(text: str) -> str:
    return html.escape(text)
