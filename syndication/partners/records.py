"""An entry as a partner's JSON: rights and credit inside the data, the notice once, gated on the bytes that are sent.

A withdrawn entry is a record without text: which, that it is withdrawn, when and why.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from syndication.content import Author, PublishedNotice, Related
from syndication.feeds.disclaimers import require_once
from syndication.feeds.view import entry_url, item_view
from syndication.ledger import notices
from syndication.ledger.content import Entry, Publication
from syndication.ledger.lookup import content_of
from syndication.ledger.tables import Partner

_TEMPLATE = "partners/records.py"


EXAMPLE: dict[str, Any] = {
    "id": "tag:harbour.example,2026-01-01:entry:ed618bf4780f5e21", "number": 7, "state": "published",
    "series": "slow-crossings", "canonical_url": "https://harbour.example/night-train",
    "updated_at": "2026-11-25T08:00:00Z", "revision": 1, "part": 2,
    "title": "A Bed Between Two Capitals", "summary": "Night trains are back in the speeches.",
    "content_html": '<div lang="en" dir="ltr"><p>Every few months …</p><hr><p lang="en">The positions of '
    "Harbour Institute, and our policy experts, are independent …</p></div>",
    "language": "en", "authors": [{"name": "Noor Haddad", "url": None}],
    "credit": "Noor Haddad (Harbour Institute)", "topics": ["railways"], "related": [], "images": [], "attachments": [],
    "licence": "Full text with credit, for one year.",
    "licence_url": "https://creativecommons.org/licenses/by/4.0/", "publisher": "Harbour Institute",
    "notice_version": 1, "published_at": "2026-11-25T08:00:00Z", "withdrawn_at": None,
    "withdrawn_reason": None,
}  # fmt: skip


class ImageRecord(BaseModel):
    url: str
    alt: str
    credit: str
    caption: str


class AttachmentRecord(BaseModel):
    url: str
    media_type: str
    length: int = Field(description="In bytes.")
    title: str


class EntryRecord(BaseModel):
    """One entry as it stands. A withdrawn one (`state`) has no text: take your copy down."""

    id: str = Field(description="Names the entry for ever: keep your copy under it.")
    number: int = Field(description="Its short name in this API; says nothing about order.")
    state: Literal["published", "withdrawn"] = Field(description="`published` or `withdrawn`.")
    series: str = Field(description="The series, by slug.")
    canonical_url: str = Field(description="The entry's own page: link to it, and name it as `rel=canonical`.")
    updated_at: datetime = Field(description="Of its last change, which brought it into the stream anew.")
    revision: int | None = Field(None, description="1, then one more with each correction.")
    part: int | None = Field(None, description="Its place in a series that is read in order.")
    title: str | None = Field(None, description="Plain text.")
    summary: str | None = Field(None, description="Plain text, a sentence or two.")
    content_html: str | None = Field(
        None,
        description="The full text as one HTML element. It ends with the publisher's independence notice, which stands "
        "in the record this once and must be shown with the text.",
    )
    language: str | None = Field(None, description="BCP 47.")
    authors: list[Author] = Field([], description="Each a `name`, and a `url` or null.")
    credit: str | None = Field(None, description="How to credit it, in one line.")
    topics: list[str] = Field([], description="Plain words.")
    related: list[Related] = Field([], description="What the publisher points to: a `title`, and a `url` or null.")
    images: list[ImageRecord] = Field(
        [], description="Those in the text, each with `url`, `alt`, `credit` and `caption`."
    )
    attachments: list[AttachmentRecord] = Field(
        [],
        description="Sound, films, PDFs: each with `url`, `media_type`, `length` and `title`; linked in the text too.",
    )
    licence: str | None = Field(None, description="What the publisher agreed with you, in a sentence or an address.")
    licence_url: str | None = Field(None, description="The entry's own licence, where it has one.")
    publisher: str | None = Field(None, description="Whose entry it is.")
    notice_version: int | None = Field(None, description="Which wording of the notice stands in `content_html`.")
    published_at: datetime | None = Field(None, description="Its first publication.")
    withdrawn_at: datetime | None = Field(None, description="Of a withdrawn one alone, as is the reason.")
    withdrawn_reason: str | None = Field(None, description="In the publisher's words.")

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class ChangesPage(BaseModel):
    """Entries in the order of their last change. An entry that changed again comes again."""

    entries: list[EntryRecord]
    next_cursor: str = Field(description="Keep it, and send it as `cursor` next time.", examples=["7"])
    more: bool = Field(description="Whether there is another page right now.")


class Scribe:
    """Writes a partner's records in one session; notices are looked up once for each language."""

    def __init__(self, session: Session, partner: Partner, base_url: str) -> None:
        self._session = session
        self._publication = session.get_one(Publication, partner.publication_id)
        self._licence = partner.licence or None
        self._base_url = base_url
        self._notices: dict[str, PublishedNotice] = {}

    def write(self, entry: Entry) -> bytes:
        """The record of a published or withdrawn entry as JSON. Raises DisclaimerBreach."""
        assert entry.revision is not None, "a visible entry has a text"
        assert entry.updated_at is not None, "a visible entry has its dates"
        content = content_of(entry.revision)
        head: dict[str, Any] = {
            "id": entry.tag_uri, "number": entry.id, "state": entry.state, "series": entry.series.slug,
            "canonical_url": entry_url(self._base_url, entry.series.slug, entry.slug, content),
            "updated_at": entry.updated_at,
        }  # fmt: skip
        if entry.state != "published":
            gone = EntryRecord(**head, withdrawn_at=entry.withdrawn_at, withdrawn_reason=entry.withdrawn_reason)
            return gone.model_dump_json().encode()
        assert entry.published_at is not None, "a published entry has its dates"
        language = content.language or self._publication.language
        notice = self._notice(language)
        view = item_view(
            content, notice, entry_id=entry.id, tag_uri=entry.tag_uri, base_url=self._base_url, language=language,
            series_slug=entry.series.slug, series_title=entry.series.title, series_note=entry.series.note,
            slug=entry.slug, part=entry.part, published=entry.published_at, updated=entry.updated_at,
        )  # fmt: skip
        names = ", ".join(author.name for author in view.authors)
        publisher = self._publication.name
        record = EntryRecord(
            **head,
            revision=entry.revision.number,
            part=entry.part,
            title=view.title,
            summary=view.summary,
            content_html=view.content_html,
            language=language,
            authors=list(view.authors),
            credit=f"{names} ({publisher})" if names else publisher,
            topics=list(view.topics),
            related=list(view.related),
            images=[
                ImageRecord(url=f"{self._base_url}/media/{i.name}", alt=i.alt, credit=i.credit, caption=i.caption)
                for i in content.images
            ],
            attachments=[
                AttachmentRecord(url=one.url, media_type=one.media_type, length=one.length, title=one.title)
                for one in view.enclosures
            ],
            licence=self._licence,
            licence_url=view.licence_url,
            publisher=publisher,
            notice_version=notice.version,
            published_at=entry.published_at,
        )
        body = record.model_dump_json().encode()
        gate(body, notice.text, where=f"entry “{view.title}”")
        return body

    def _notice(self, language: str) -> PublishedNotice:
        if language not in self._notices:
            self._notices[language] = notices.current(self._session, self._publication.id, language)
        return self._notices[language]


def gate(body: bytes, notice_text: str, *, where: str) -> None:
    """Raises DisclaimerBreach unless the record in these bytes carries the notice once, whatever field it stands in."""
    said = orjson.loads(body)
    full_text = said.pop("content_html")
    whole = "\n".join([full_text, *(f"<p>{html.escape(text)}</p>" for text in _texts(said))])
    require_once(whole, notice_text, channel="partner record", template=_TEMPLATE, where=where)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
