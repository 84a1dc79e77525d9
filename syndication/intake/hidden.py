"""What a document hides from eyes is no part of its text: it is taken out, and told. Pure.

Sanitising drops styles and attributes, so what they hid would stand in every feed and mail. What may be a notice stays: it is
judged as any other (see `notices`).
"""

from __future__ import annotations

import re

from lxml import html as lxml_html

from syndication.feeds.disclaimers import hides
from syndication.intake.notices import comes_close

_SHOWN = 60  # characters of what was left out
_MEDIA = ("img", "picture", "iframe", "video", "audio", "embed", "object")
_CERTAIN = re.compile(r"display:none|visibility:(?:hidden|collapse)", re.IGNORECASE)


def without_hidden(root: lxml_html.HtmlElement) -> list[str]:
    """Takes the hidden elements out of `root`; warnings that quote them."""
    told = []
    for element in [one for one in root.iter() if isinstance(one.tag, str) and _hides_itself(one)]:
        words = " ".join(element.text_content().split())
        if element is root or _is_gone(element, root) or comes_close(words):
            continue
        element.drop_tree()
        if words:
            told.append(f"“{words[:_SHOWN]}{'…' if len(words) > _SHOWN else ''}”")
    return [f"left out, since the document hides it: {'; '.join(told)}"] if told else []


def _hides_itself(element: lxml_html.HtmlElement) -> bool:
    """From eyes (`aria-hidden` is for ears). Images that a script is to fade in stay, and films in a frame without height."""
    style = element.get("style") or ""
    if element.get("hidden") is not None or _CERTAIN.search("".join(style.split())):
        return True
    if element.tag == "datalist" or (element.tag == "dialog" and element.get("open") is None):
        return True
    return hides(style) and next(element.iter(*_MEDIA), None) is None


def _is_gone(element: lxml_html.HtmlElement, root: lxml_html.HtmlElement) -> bool:
    return all(one is not root for one in element.iterancestors())
