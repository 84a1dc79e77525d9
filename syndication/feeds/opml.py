"""OPML 2.0: every public feed of a publication in one document. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from lxml import etree

from syndication.feeds.view import clean


@dataclass(frozen=True, slots=True)
class Outline:
    title: str
    xml_url: str
    html_url: str


def opml_bytes(title: str, created: datetime, outlines: tuple[Outline, ...]) -> bytes:
    """`created` is the last change, never the present, so that the same data gives the same bytes."""
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = clean(title)
    etree.SubElement(head, "dateCreated").text = format_datetime(created, usegmt=True)
    body = etree.SubElement(root, "body")
    for outline in outlines:
        attributes = {
            "type": "rss",
            "text": clean(outline.title),
            "title": clean(outline.title),
            "xmlUrl": outline.xml_url,
            "htmlUrl": outline.html_url,
        }
        etree.SubElement(body, "outline", attributes)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)
