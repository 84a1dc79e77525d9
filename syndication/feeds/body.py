"""A stored body made ready for where it is shown: its images at their public addresses, its footnotes still found. Pure.

It works on what `intake.sanitise` wrote, where every attribute stands in double quotes; text that only looks like markup
stays as it is.
"""

from __future__ import annotations

import re

_TAG = re.compile(r'<[a-z][a-z0-9]*(?:\s+[a-z:-]+="[^"]*")+\s*/?>')
_ATTRIBUTE = re.compile(r'([a-z:-]+)="([^"]*)"')
_OURS = re.compile('="(?:media:|page:|#)')
_ADDRESSES = frozenset({"src", "href"})


def shown_body(body_html: str, base_url: str, page: str = "") -> str:
    """The body with its images, and links to other entries' pages (`page:`), under `base_url`. With `page`, the address of the
    page that has the whole text, links into the text (footnotes) become links into that page: a feed reader has no place that
    `#note` could mean; and `bdo`, which the W3C's validator thinks a risk, becomes `bdi`."""

    def attribute(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in _ADDRESSES:
            return found[0]
        if value.startswith("media:"):
            return f'{name}="{base_url}/media/{value.removeprefix("media:")}"'
        if value.startswith("page:"):
            return f'{name}="{base_url}/series/{value.removeprefix("page:")}"'
        return f'{name}="{page}{value}"' if value.startswith("#") else found[0]

    def tag(found: re.Match[str]) -> str:
        whole = found[0]
        return _ATTRIBUTE.sub(attribute, whole) if _OURS.search(whole) else whole

    body = _TAG.sub(tag, body_html)
    return body.replace("<bdo", "<bdi").replace("</bdo>", "</bdi>") if page else body
