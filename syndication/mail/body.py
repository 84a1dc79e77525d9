"""A sanitised body made fit for mail clients. Pure.

Nothing has an `id` (two entries never disturb one another) and no link leads into the mail, since most clients take anchors
away: a link into the text leads to its page, and a footnote, which stands in the mail itself, is a number without a link.
"""

from __future__ import annotations

import html

from lxml import etree
from lxml import html as lxml_html

from syndication.mail.footnotes import notes_of

COLUMN = 576  # width of the text column in CSS pixels: 640 less the card's padding
_UNWANTED = ("id", "loading", "srcset", "sizes", "decoding", "height", "name", "headers")
_LOWER = {"h1": "h3", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6"}  # the entry's title is the h2


def mail_body(body_html: str, url: str) -> str:
    """The body as it stands in an entry's block; `url` is the page of the entry."""
    if not body_html.strip():
        return ""
    try:
        root = lxml_html.fragment_fromstring(body_html, create_parent="div")
    except etree.ParserError:
        return ""
    notes = notes_of(root)
    for link in list(root.iter("a")):
        target = link.get("href") or ""
        if notes.is_way_back(link):
            link.drop_tree()
        elif (number := notes.number_of(link)) is not None:
            _number(link, number)
        elif target.startswith("#"):
            link.set("href", url + target)
    for element in list(root.iter()):
        if isinstance(element.tag, str):
            _fit(element)
    inner = html.escape(root.text or "", quote=False)
    return inner + "".join(lxml_html.tostring(child, encoding="unicode") for child in root)


def _number(link: lxml_html.HtmlElement, number: str) -> None:
    for inner in list(link):
        inner.drop_tag()
    link.text = f"[{number}]"
    link.drop_tag()


def _in_a_frame(table: lxml_html.HtmlElement) -> None:
    """What is wider than a phone is moved sideways on its own, by keyboard too; the mail stays as narrow as the phone."""
    frame = lxml_html.Element("div", {"class": "wide", "tabindex": "0"})
    frame.tail, table.tail = table.tail, None
    table.addprevious(frame)
    frame.append(table)


def _fit(element: lxml_html.HtmlElement) -> None:
    for name in _UNWANTED:
        element.attrib.pop(name, None)
    if element.tag == "img":
        width = element.get("width", "")
        element.set("width", str(min(int(width), COLUMN)) if width.isdecimal() and len(width) < 6 else str(COLUMN))
        element.set("alt", element.get("alt", ""))
    elif element.tag == "table":
        element.set("class", "data")
        _in_a_frame(element)
    elif element.tag in {"td", "th"} and (align := element.attrib.pop("align", "")) in {"left", "right", "center"}:
        element.set("style", f"text-align: {align}")
    element.tag = _LOWER.get(element.tag, element.tag)
