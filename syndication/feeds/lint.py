"""What a validator or a reader would trip over, before anybody sees it. Pure.

`item` looks at an entry as feeds show it: its errors stop the act that publishes it. `document` looks at the final bytes of a
feed in one format. What the W3C's validator calls an error is one here; the rest are warnings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson
from lxml import etree
from lxml import html as lxml_html

from syndication.feeds.view import ItemView

IDEAL, MOST = 250_000, 512_000  # bytes of a document
AHEAD = timedelta(days=1)  # some readers leave out an item dated later
SCHEMES = frozenset({"http", "https", "mailto", "tel"})
RELATIONS = frozenset({
    "alternate", "current", "describedby", "enclosure", "first", "hub", "last", "license", "next", "next-archive", "payment",
    "prev-archive", "previous", "related", "replies", "search", "self", "service", "up", "via",
})  # fmt: skip  # those that raise no warning
NOWHERE = "leads nowhere but on this machine"
ATOM = "{http://www.w3.org/2005/Atom}"
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf]|â€[\u0098-\u00a6\u02dc™œž“”]|\ufffd|ï»¿")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_MARKUP = re.compile(r"</?[a-z][a-z0-9]*(\s[^<>]*)?>|&(?:[a-z]+|#\d+);", re.IGNORECASE)
_RISKY = frozenset({"script", "style", "iframe", "object", "embed", "form", "input", "meta", "link", "base", "svg"})
_ADDRESSES = ("href", "src", "cite", "poster")


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` is a place in the entry or the document; `remedy` one imperative sentence."""

    level: Literal["error", "warning"]
    what: str
    where: str
    remedy: str


def item(shown: ItemView, now: datetime, base_url: str) -> list[Finding]:
    """An entry as every format shows it. That the service itself is on this machine (`base_url`) is no fault of the entry."""
    found = [*_words(shown), *_dates(shown, now), *_addresses(shown), *_body(shown)]
    return [one for one in found if not (one.what.startswith(f"{base_url}/") and one.what.endswith(NOWHERE))]


def _error(what: str, where: str, remedy: str) -> Finding:
    return Finding("error", what, where, remedy)


def _warning(what: str, where: str, remedy: str) -> Finding:
    return Finding("warning", what, where, remedy)


def _words(shown: ItemView) -> Iterator[Finding]:
    if not shown.title.strip():
        yield _error("it has no title", "title", "give it one.")
    if _MARKUP.search(shown.title):
        yield _warning("there is markup in it, which readers may show or swallow", "title", "write it in plain words.")
    for where, text in (("title", shown.title), ("standfirst", shown.summary), ("text", shown.content_html)):
        if found := _CONTROLS.search(text):
            yield _warning(
                f"there is a control character, U+{ord(found[0]):04X}", where, "take it out of the document."
            )
        if found := _MOJIBAKE.search(text):
            around = text[max(0, found.start() - 12) : found.end() + 12]
            yield _warning(
                f"this looks like a wrong encoding: “{around}”", where, "save the document as UTF-8 and import again."
            )
    size = len(shown.content_html.encode())
    if size > IDEAL:
        yield _warning(
            f"it has {size:,} bytes, so feeds show its beginning or few others", "text", "divide it into parts."
        )


def _dates(shown: ItemView, now: datetime) -> Iterator[Finding]:
    for name, moment in (("published", shown.published), ("updated", shown.updated)):
        if moment > now + AHEAD:
            yield _error(f"{moment.isoformat()} is to come", name, "schedule the entry, or mend its date.")
    if shown.updated < shown.published - AHEAD:
        yield _warning("it was updated before it was published", "updated", "mend its date.")


def _addresses(shown: ItemView) -> Iterator[Finding]:
    said = [("address", shown.url), ("image", shown.image_url), ("licence", shown.licence_url)]
    said += [(f"author {author.name}", author.url) for author in shown.authors]
    said += [(f"related reading “{one.title}”", one.url) for one in shown.related]
    for where, address in said:
        if address:
            yield from _address(address, where)


def _body(shown: ItemView) -> Iterator[Finding]:
    parser = lxml_html.HTMLParser(huge_tree=True)
    for element in lxml_html.fragment_fromstring(shown.content_html, create_parent="div", parser=parser).iter():
        if not isinstance(element.tag, str):
            continue
        tag = element.tag
        if tag in _RISKY or any(name.startswith("on") for name in element.attrib):
            yield _error(f"<{tag}> has no place in a feed", "text", "take it out of the document.")
        for name in _ADDRESSES:
            if name in element.attrib:
                yield from _address(element.get(name) or "", f"text, {name} of <{tag}>")
        for part in (element.get("srcset") or "").split(","):
            if part.strip():
                yield from _address(part.split()[0], f"text, srcset of <{tag}>")
        if tag == "img" and not (element.get("alt") or "").strip():
            yield _warning(
                f"the image {_short(element.get('src') or '')} has no description",
                "text",
                "say in `alt` what it shows.",
            )


def _address(address: str, where: str) -> Iterator[Finding]:
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
    except ValueError:
        yield _error(f"{_short(address)} is no address", where, "mend it.")
        return
    if not parts.scheme:
        yield _error(
            f"{_short(address)} is relative; a reader has no place it could start from", where, "write it whole."
        )
    elif parts.scheme not in SCHEMES:
        yield _error(
            f"{_short(address)}: no reader follows {parts.scheme}:", where, "use https, or take the link away."
        )
    elif parts.scheme in ("http", "https") and not host:
        yield _error(f"{_short(address)} names no host", where, "mend it.")
    elif host == "localhost" or host.endswith((".localhost", ".local")) or host.startswith("127."):
        yield _warning(f"{_short(address)} {NOWHERE}", where, "use a public address.")
    elif not address.isascii() or re.search(r"\s", address.strip()):
        yield _warning(f"{_short(address)} has signs that not every reader follows", where, "write them as %XX.")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


def document(fmt: str, body: bytes, address: str) -> list[Finding]:
    """The final bytes of a feed in one format, fetched from `address`."""
    found = [] if len(body) <= IDEAL else [_size(len(body))]
    try:
        facts = {"rss": _rss, "atom": _atom, "json": _json}[fmt](body)
    except (etree.XMLSyntaxError, orjson.JSONDecodeError) as error:
        return [_error(f"it cannot be read: {error}", fmt, "report this: it is a fault of the program.")]
    if facts.address != address:
        found.append(
            _error(f"it calls itself {facts.address}", "self", "run `syndicate init` with the right base address.")
        )
    for what in (*facts.missing, *facts.strange):
        found.append(_error(what, fmt, "report this: it is a fault of the program."))
    for name, values in (("id", facts.ids), ("updated", facts.updated)):
        for value, times in Counter(values).items():
            if times > 1:
                level = _error if name == "id" else _warning
                found.append(
                    level(f"{times} items have the {name} {value}", fmt, "report this: it is a fault of the program.")
                )
    return found


def _size(size: int) -> Finding:
    if size > MOST:
        return _error(
            f"it has {size:,} bytes; some readers stop at {MOST:,}", "size", "say a smaller `newest`, or standfirsts."
        )
    return _warning(f"it has {size:,} bytes; {IDEAL:,} are ideal", "size", "say a smaller `newest`, or standfirsts.")


@dataclass(frozen=True, slots=True)
class _Facts:
    address: str
    ids: list[str]
    updated: list[str]
    missing: list[str]
    strange: list[str]


def _rss(body: bytes) -> _Facts:
    channel = etree.fromstring(body).find("channel")
    if channel is None:
        return _Facts("", [], [], ["it has no channel"], [])
    missing = [
        f"the channel has no {name}"
        for name in ("title", "link", "description", "language")
        if not channel.findtext(name)
    ]
    strange = []
    items = channel.findall("item")
    for one in items:
        guid = one.find("guid")
        missing += [
            f"an item has no {name}" for name in ("title", "link", "description", "pubDate") if not one.findtext(name)
        ]
        if guid is None or guid.get("isPermaLink") != "false":
            strange.append("a guid says that it is an address")
        try:
            parsedate_to_datetime(one.findtext("pubDate") or "")
        except ValueError:
            strange.append(f"{one.findtext('pubDate')} is no date of RFC 822")
    own = [link.get("href", "") for link in channel.findall(f"{ATOM}link") if link.get("rel") == "self"]
    return _Facts(own[0] if own else "", [one.findtext("guid") or "" for one in items], [], missing, strange)


def _atom(body: bytes) -> _Facts:
    feed = etree.fromstring(body)
    entries = feed.findall(f"{ATOM}entry")
    missing = [f"the feed has no {name}" for name in ("id", "title", "updated") if not feed.findtext(ATOM + name)]
    for one in entries:
        missing += [f"an entry has no {name}" for name in ("id", "title", "updated") if not one.findtext(ATOM + name)]
    links = [(holder, link) for holder in (feed, *entries) for link in holder.findall(f"{ATOM}link")]
    said = {link.get("rel", "alternate") for _, link in links}
    strange = [f"no validator knows links of the relation {relation}" for relation in sorted(said - RELATIONS)]
    for holder in (feed, *entries):
        same = [link for about, link in links if about is holder and link.get("rel", "alternate") == "alternate"]
        if len(same) != len({(link.get("type"), link.get("hreflang")) for link in same}):
            strange.append("two links are the alternate of one type")
    own = [link.get("href", "") for holder, link in links if holder is feed and link.get("rel") == "self"]
    return _Facts(
        own[0] if own else "", [one.findtext(f"{ATOM}id") or "" for one in entries],
        [one.findtext(f"{ATOM}updated") or "" for one in entries], missing, strange,
    )  # fmt: skip


def _json(body: bytes) -> _Facts:
    feed: dict[str, Any] = orjson.loads(body)
    missing = [f"it has no {name}" for name in ("version", "title", "items", "home_page_url") if name not in feed]
    items = feed.get("items", [])
    missing += ["an item has no text" for one in items if not (one.get("content_html") or one.get("content_text"))]
    missing += ["an item has no id" for one in items if not isinstance(one.get("id"), str)]
    own_keys = {key for one in (feed, *items) for key in one if key.startswith("_") and not isinstance(one[key], dict)}
    strange = [f"{key} is ours and no object" for key in sorted(own_keys)]
    return _Facts(feed.get("feed_url", ""), [one.get("id", "") for one in items], [], missing, strange)
