"""A stored body made ready for where it is shown: its images at their public addresses, its footnotes still found. Pure.

It works on what `intake.sanitise` wrote, where every attribute stands in double quotes; text that only looks like markup
stays as it is.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlsplit, urlunsplit

_TAG = re.compile(r'<[a-z][a-z0-9]*(?:\s+[a-z:-]+="[^"]*")+\s*/?>')
_ATTRIBUTE = re.compile(r'([a-z:-]+)="([^"]*)"')
_OURS = re.compile('="(?:media:|page:|#)')
_RESERVED = "%/:=&?~#+!$,;'@()*[]-._"
_ADDRESSES = frozenset({"src", "href"})


def as_uri(address: str) -> str:
    """A web address in ASCII (RFC 3986): what a publisher may write as `https://é.example/fähre`, RSS has no place for."""
    if address.isascii():
        return address
    parts = urlsplit(address)
    try:
        netloc = parts.netloc.encode("idna").decode("ascii")
    except UnicodeError:  # no host name; it stays what it is
        netloc = parts.netloc
    path, query, anchor = (quote(part, safe=_RESERVED) for part in (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, netloc, path, query, anchor))


def shown_body(body_html: str, base_url: str, page: str = "") -> str:
    """The body with its images, and links to other entries' pages (`page:`), under `base_url`; addresses in ASCII.

    With `page`, the address of the page that has the whole text, links into the text (footnotes) become links into that page: a
    feed reader has no place that `#note` could mean; and `bdo`, which the W3C's validator thinks a risk, becomes `bdi`.
    """

    def attribute(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in _ADDRESSES:
            return found[0]
        if value.startswith("media:"):
            return f'{name}="{base_url}/media/{value.removeprefix("media:")}"'
        if value.startswith("page:"):
            return f'{name}="{base_url}/series/{value.removeprefix("page:")}"'
        if value.startswith("#"):
            return f'{name}="{page}{value}"'
        return found[0] if value.isascii() else f'{name}="{html.escape(as_uri(html.unescape(value)))}"'

    def tag(found: re.Match[str]) -> str:
        whole = found[0]
        return _ATTRIBUTE.sub(attribute, whole) if _OURS.search(whole) or not whole.isascii() else whole

    body = _TAG.sub(tag, body_html)
    return body.replace("<bdo", "<bdi").replace("</bdo>", "</bdi>") if page else body
