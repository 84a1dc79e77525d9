"""An entry as a partner's JSON: rights and credit inside the data, the notice once, gated on what is sent.

A withdrawn entry is a record without text: its id, that it is withdrawn, when and why.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from syndication.feeds.disclaimers import require_once
from syndication.feeds.view import item_view
from syndication.ledger import notices
from syndication.ledger.content import Entry, Publication
from syndication.ledger.lookup import content_of


class EntryRecord(BaseModel):
    """One entry. `content_html` ends with the notice, which must be shown with it; `number` orders nothing, `id` names
    it for ever. A withdrawn one (`state`) has no text: take your copy down."""

    id: str
    number: int
    state: str
    series: str
    updated_at: datetime
    revision: int | None = None
    part: int | None = None
    url: str | None = None
    title: str | None = None
    summary: str | None = None
    content_html: str | None = None
    language: str | None = None
    authors: list[dict[str, str]] = []
    topics: list[str] = []
    related: list[dict[str, str]] = []
    images: list[dict[str, str]] = []
    licence_url: str | None = None
    publisher: str | None = None
    notice_version: int | None = None
    published_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_reason: str | None = None


class ChangesPage(BaseModel):
    """Changes in order. Keep `next_cursor` and send it as `cursor`; `more`: there is another page now."""

    entries: list[EntryRecord]
    next_cursor: str
    more: bool


def entry_record(session: Session, publication: Publication, entry: Entry, base_url: str) -> EntryRecord:
    """The record of a published or withdrawn entry. Raises DisclaimerBreach."""
    assert entry.updated_at is not None, "a visible entry has its dates"
    head: dict[str, Any] = {
        "id": entry.tag_uri, "number": entry.id, "state": entry.state, "series": entry.series.slug,
        "updated_at": entry.updated_at,
    }  # fmt: skip
    if entry.state != "published" or entry.revision is None or entry.published_at is None:
        return EntryRecord(**head, withdrawn_at=entry.withdrawn_at, withdrawn_reason=entry.withdrawn_reason)
    content = content_of(entry.revision)
    language = content.language or publication.language
    notice = notices.current(session, publication.id, language)
    view = item_view(
        content, notice, entry_id=entry.id, tag_uri=entry.tag_uri, base_url=base_url, language=language,
        series_slug=entry.series.slug, series_title=entry.series.title, series_note=entry.series.note,
        slug=entry.slug, part=entry.part, published=entry.published_at, updated=entry.updated_at,
    )  # fmt: skip
    record = EntryRecord(
        **head,
        revision=entry.revision.number,
        part=entry.part,
        url=view.url,
        title=view.title,
        summary=view.summary,
        content_html=view.content_html,
        language=language,
        authors=[{"name": a.name, **({"url": a.url} if a.url else {})} for a in view.authors],
        topics=list(view.topics),
        related=[{"title": r.title, **({"url": r.url} if r.url else {})} for r in view.related],
        images=[
            {"url": f"{base_url}/media/{i.name}", "alt": i.alt, "credit": i.credit, "caption": i.caption}
            for i in content.images
        ],
        licence_url=view.licence_url,
        publisher=publication.name,
        notice_version=notice.version,
        published_at=entry.published_at,
    )
    said = record.model_dump(mode="json")
    body = said.pop("content_html")
    whole = "\n".join([body, *(f"<p>{html.escape(text)}</p>" for text in _texts(said))])
    require_once(
        whole, notice.text, channel="partner record", template="partners/records.py", where=f"entry “{view.title}”"
    )
    return record


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
