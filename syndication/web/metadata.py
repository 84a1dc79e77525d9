"""What machines are told about a page: schema.org as JSON-LD, in a form that cannot end the script element around it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from syndication.content import EntryContent

HEADLINE = 110  # characters that search engines take
Record = dict[str, Any]


def publisher(name: str, url: str) -> Record:
    return {"@type": "Organization", "name": name, "url": url}


def website(name: str, address: str, language: str, owner: Record) -> str:
    return _json({"@type": "WebSite", "name": name, "url": address, "inLanguage": language, "publisher": owner})


def series(title: str, description: str, address: str, language: str, owner: Record, parts: Sequence[str]) -> str:
    """`parts` are the addresses of the entries that the page lists."""
    return _json({
        "@type": "CreativeWorkSeries", "@id": address, "name": title, "description": description or None, "url": address,
        "inLanguage": language, "publisher": owner,
        "hasPart": [{"@type": "NewsArticle", "@id": part} for part in parts] or None,
    })  # fmt: skip


def article(
    content: EntryContent,
    *,
    address: str,
    summary: str,
    language: str,
    published: datetime | None,
    updated: datetime | None,
    owner: Record,
    series_title: str,
    series_address: str,
    position: int,
    images: Sequence[str],
) -> str:
    authors = [{"@type": "Person", "name": a.name, "url": a.url} for a in content.authors]
    return _json({
        "@type": "NewsArticle", "@id": address, "headline": content.title[:HEADLINE], "description": summary,
        "inLanguage": language, "url": address, "mainEntityOfPage": address,
        "datePublished": published.isoformat() if published else None,
        "dateModified": updated.isoformat() if updated else None,
        "author": authors or [owner], "publisher": owner, "keywords": list(content.topics) or None,
        "isPartOf": {"@type": "CreativeWorkSeries", "@id": series_address, "name": series_title},
        "position": position or None, "image": list(images) or None, "license": content.licence_url,
    })  # fmt: skip


def _json(record: Mapping[str, Any]) -> str:
    whole = {"@context": "https://schema.org", **_without_none(record)}
    said = json.dumps(whole, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        said = said.replace(sign, f"\\u{ord(sign):04x}")
    return said


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value
