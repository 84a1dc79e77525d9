"""feedgen's traps, kept in one place: a fixed order of calls, dates always given, and what it cannot say added by hand.

Seen in feedgen 1.0: it stamps the present where no date is given, the RSS `<link>` is whichever link came last, an author
without an e-mail address vanishes from RSS, entry links lose their relation. Pure but for feedgen's locale switch.
"""

from __future__ import annotations

from typing import Any

from feedgen.entry import FeedEntry
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from syndication.feeds.view import DeletedView, FeedView, ItemView

ATOM = "http://www.w3.org/2005/Atom"
HISTORY = "http://purl.org/syndication/history/1.0"
MEDIA = "http://search.yahoo.com/mrss/"
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"
DC = "http://purl.org/dc/elements/1.1/"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
GENERATOR = "Syndication"


class FeedExtras(BaseExtension):  # type: ignore[misc]  # feedgen has no types
    """Declares Dublin Core and feed history, and links hubs and archive, where feedgen's RSS has no link but one."""

    links: tuple[tuple[str, str], ...] = ()  # (relation, address)
    archive = False
    complete = False
    media = False
    deleted: tuple[DeletedView, ...] = ()

    def extend_ns(self) -> dict[str, str]:
        named = {
            "dc": DC,
            "media": MEDIA if self.media else "",
            "fh": HISTORY if self.archive or self.complete else "",
            "at": TOMBSTONES if self.deleted else "",
        }
        return {prefix: space for prefix, space in named.items() if space}

    def extend_rss(self, rss: Any) -> Any:
        channel = rss.find("channel")
        for rel, href in self.links:
            etree.SubElement(channel, f"{{{ATOM}}}link", rel=rel, href=href)
        self._say_history(channel)
        return rss

    def _say_history(self, feed: Any) -> None:
        for name in ("archive",) * self.archive + ("complete",) * self.complete:
            etree.SubElement(feed, f"{{{HISTORY}}}{name}")

    def extend_atom(self, feed: Any) -> Any:
        self._say_history(feed)
        for gone in self.deleted:
            element = etree.SubElement(feed, f"{{{TOMBSTONES}}}deleted-entry", ref=gone.id, when=gone.at.isoformat())
            if gone.reason:
                etree.SubElement(element, f"{{{TOMBSTONES}}}comment").text = gone.reason
        return feed


class EntryExtras(BaseEntryExtension):  # type: ignore[misc]  # feedgen has no types
    """What feedgen leaves out of an entry: authors without e-mail in RSS, related links, the licence and the language."""

    item: ItemView
    feed_language: str

    def extend_rss(self, entry: Any) -> Any:
        for author in self.item.authors:
            etree.SubElement(entry, f"{{{DC}}}creator").text = author.name
        if self.item.language != self.feed_language:
            etree.SubElement(entry, f"{{{DC}}}language").text = self.item.language
        if self.item.licence_url:
            etree.SubElement(entry, f"{{{DC}}}rights").text = self.item.licence_url
        for number, one in enumerate(self.item.enclosures):
            said = {"url": one.url, "type": one.media_type}
            if number:  # RSS readers expect one enclosure (RSS Advisory Board); further ones are media
                etree.SubElement(entry, f"{{{MEDIA}}}content", {**said, "fileSize": str(one.length)})
            else:
                etree.SubElement(entry, "enclosure", {**said, "length": str(one.length)})
        return self._with_images(entry)

    def extend_atom(self, entry: Any) -> Any:
        entry.set(XML_LANG, self.item.language)
        for related in self.item.related:
            if related.url:
                etree.SubElement(entry, "link", rel="related", href=related.url, title=related.title)
        if self.item.licence_url:
            etree.SubElement(entry, "link", rel="license", href=self.item.licence_url)
        for one in self.item.enclosures:
            said = {"href": one.url, "type": one.media_type, "length": str(one.length), "title": one.title}
            etree.SubElement(entry, "link", {**said, "rel": "enclosure"})
        return self._with_images(entry)

    def _with_images(self, entry: Any) -> Any:
        """Each image with what it shows, whose it is and under which licence (Media RSS 1.5.1)."""
        for image in self.item.images:
            content = etree.SubElement(
                entry, f"{{{MEDIA}}}content", url=image.url, type=image.media_type, medium="image",
                width=str(image.width), height=str(image.height),
            )  # fmt: skip
            if image.alt or image.caption:
                etree.SubElement(content, f"{{{MEDIA}}}description", type="plain").text = image.caption or image.alt
            if image.credit:
                etree.SubElement(content, f"{{{MEDIA}}}credit", role="copyright holder").text = image.credit
            if self.item.licence_url:
                etree.SubElement(content, f"{{{MEDIA}}}license", type="text/html", href=self.item.licence_url)
        return entry


def _generator(view: FeedView, fmt: str, media_type: str) -> FeedGenerator:
    feed = FeedGenerator()
    feed.register_extension("extras", FeedExtras, None)
    feed.id(view.id)
    feed.title(view.title)
    feed.subtitle(view.description)
    feed.description(view.description)
    feed.language(view.language)
    feed.updated(view.updated)  # also lastBuildDate
    feed.generator(GENERATOR)
    feed.link(href=view.self_urls[fmt], rel="self", type=media_type)
    feed.extras.links = _links(view, fmt)
    feed.extras.archive = bool(view.current_urls)
    feed.extras.complete = view.complete
    feed.extras.media = any(item.images or len(item.enclosures) > 1 for item in view.items)
    if fmt == "atom":
        feed.extras.deleted = view.deleted
        for rel, href in feed.extras.links:
            feed.link(href=href, rel=rel)
    feed.link(href=view.home_url, rel="alternate", type="text/html")  # last: RSS takes it for its <link>
    return feed


def _links(view: FeedView, fmt: str) -> tuple[tuple[str, str], ...]:
    """Hubs, and the way through the archive (RFC 5005 §4); no `next-archive`, which would have to change."""
    links = [("hub", hub) for hub in view.hubs]
    if fmt in view.current_urls:
        links.append(("current", view.current_urls[fmt]))
    if fmt in view.older_urls:
        links.append(("prev-archive", view.older_urls[fmt]))
    return tuple(links)


def _entry(view: FeedView, item: ItemView) -> FeedEntry:
    entry = FeedEntry()
    entry.register_extension("extras", EntryExtras)
    entry.extras.item = item
    entry.extras.feed_language = view.language
    entry.id(item.id)  # also the guid, isPermaLink="false"
    entry.title(item.title)
    entry.link(href=item.url, rel="alternate")
    entry.published(item.published)
    entry.updated(item.updated)
    entry.category([{"term": topic} for topic in item.topics])
    return entry


def rss_bytes(view: FeedView) -> bytes:
    """RSS 2.0 with content:encoded after description, dc:creator for each author, UTF-8."""
    feed = _generator(view, "rss", "application/rss+xml")
    feed.ttl(60)
    for item in view.items:
        entry = _entry(view, item)
        entry.description(item.summary if item.full else item.content_html)
        if item.full:
            entry.content(item.content_html)
        feed.add_entry(entry, order="append")
    result: bytes = feed.rss_str()
    return result


def atom_bytes(view: FeedView) -> bytes:
    """Atom (RFC 4287); the publisher is the feed's author, so an entry without one is still valid."""
    feed = _generator(view, "atom", "application/atom+xml")
    feed.author(name=view.publisher, uri=view.publisher_url)
    for item in view.items:
        entry = _entry(view, item)
        if item.authors:
            entry.author([{"name": a.name, **({"uri": a.url} if a.url else {})} for a in item.authors], replace=True)
        if item.full:
            entry.summary(item.summary)
            entry.content(item.content_html, type="html")
        else:
            entry.summary(item.content_html, type="html")
        feed.add_entry(entry, order="append")
    result: bytes = feed.atom_str()
    return result
