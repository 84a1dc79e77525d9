"""JSON Feed 1.1. Pure; the same view gives the same bytes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from syndication.feeds.view import FeedView, ItemView


def json_bytes(view: FeedView) -> bytes:
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": view.title,
        "home_page_url": view.home_url,
        "feed_url": view.self_urls["json"],
        "description": view.description,
        "language": view.language,
        "authors": [{"name": view.publisher, "url": view.publisher_url}],
        "items": [_item(item) for item in view.items],
    }
    if "json" in view.older_urls:
        feed["next_url"] = view.older_urls["json"]
    if view.hubs:
        feed["hubs"] = [{"type": "WebSub", "url": hub} for hub in view.hubs]
    return orjson.dumps(feed)


def _item(item: ItemView) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": item.id,
        "url": item.url,
        "title": item.title,
        "summary": item.summary,
        "content_html": item.content_html,
        "date_published": item.published.isoformat(),
        "date_modified": item.updated.isoformat(),
        "language": item.language,
    }
    if item.authors:
        record["authors"] = [{"name": a.name, **({"url": a.url} if a.url else {})} for a in item.authors]
    if item.topics:
        record["tags"] = list(item.topics)
    if item.image_url:
        record["image"] = item.image_url
    if item.images:
        record["_media"] = {"images": [asdict(image) for image in item.images]}
    if item.enclosures:
        record["attachments"] = [
            {"url": one.url, "mime_type": one.media_type, "title": one.title, "size_in_bytes": one.length}
            for one in item.enclosures
        ]
    if item.licence_url:
        record["_licence"] = {"url": item.licence_url}
    return record
