"""The formats a feed comes in, one table: name → media type, renderer, and how the gate reads its final bytes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from lxml import etree

from syndication.errors import DisclaimerBreach
from syndication.feeds.disclaimers import require_once
from syndication.feeds.feedgen_adapter import atom_bytes, rss_bytes
from syndication.feeds.jsonfeed import json_bytes
from syndication.feeds.view import FeedView

_ATOM = "{http://www.w3.org/2005/Atom}"
_ENCODED = "{http://purl.org/rss/1.0/modules/content/}encoded"


@dataclass(frozen=True, slots=True)
class Format:
    """`full_texts(body)` gives, for each item of the final bytes, the field in which a reader reads it."""

    name: str
    media_type: str
    template: str
    render: Callable[[FeedView], bytes]
    full_texts: Callable[[bytes], list[str]]


def _rss_texts(body: bytes) -> list[str]:
    items = etree.fromstring(body).iter("item")
    return [item.findtext(_ENCODED) or item.findtext("description") or "" for item in items]


def _atom_texts(body: bytes) -> list[str]:
    entries = etree.fromstring(body).iter(f"{_ATOM}entry")
    return [e.findtext(f"{_ATOM}content") or e.findtext(f"{_ATOM}summary") or "" for e in entries]


def _json_texts(body: bytes) -> list[str]:
    return [item.get("content_html") or item.get("content_text") or "" for item in orjson.loads(body)["items"]]


FORMATS = {
    f.name: f
    for f in (
        Format("rss", "application/rss+xml", "feeds/feedgen_adapter.py", rss_bytes, _rss_texts),
        Format("atom", "application/atom+xml", "feeds/feedgen_adapter.py", atom_bytes, _atom_texts),
        Format("json", "application/feed+json", "feeds/jsonfeed.py", json_bytes, _json_texts),
    )
}


def gate(fmt: Format, body: bytes, view: FeedView) -> None:
    """Raises DisclaimerBreach unless each item of the final bytes carries its notice once and none is missing."""
    texts = fmt.full_texts(body)
    if len(texts) != len(view.items):
        raise DisclaimerBreach(channel=fmt.name, template=fmt.template, count=len(texts), where=f"items of {view.id}")
    for text, item in zip(texts, view.items, strict=True):
        require_once(text, item.notice_text, channel=fmt.name, template=fmt.template, where=f"entry “{item.title}”")
