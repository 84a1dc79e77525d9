"""Show where the notice stands: `<mark>` around it in a text, in JSON as printed, in an HTML document. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from lxml import html as lxml_html
from markupsafe import Markup, escape

from syndication.feeds.disclaimers import count_html, normalised

PLACE = "notice"  # the id of the first mark, for links to it
_LOOK = "mark,mark *{background:#ffe58f!important;color:#1d2327!important}"

_TAGS = r"(?:\s*<[^<>]*>)*"  # markup, or an address in angle brackets, between two words
_SPACE = rf"{_TAGS}(?:\s|\\n)+{_TAGS}\s*"
_VARIANTS = {
    "'": r"(?:['‘’‚]|&#0?39;|&#x27;|&[lr]squo;)",
    '"': r"(?:[\"“”„]|\\\"|&quot;|&#34;|&[lrb]dquo;)",
    "-": r"(?:[-–—‑]|&[nm]dash;)",
    "&": r"(?:&amp;|&)",
    "<": r"(?:&lt;|<)",
    ">": r"(?:&gt;|>)",
}


@lru_cache(maxsize=32)
def _pattern(notice_text: str) -> re.Pattern[str]:
    pieces = []
    for character in normalised(notice_text):
        if character == " ":
            pieces.append(_SPACE)
        elif character.isalnum():
            pieces.append(re.escape(character))
        else:
            pieces.append(_TAGS + _VARIANTS.get(character, re.escape(character)))
    return re.compile("".join(pieces))


def mark_text(text: str, notice_text: str, place: str = PLACE) -> Markup:
    """The text, escaped, each notice in it marked, the first with the id `place`; line breaks, addresses and tags between
    its words are let through."""
    pieces: list[Markup] = []
    end = 0
    for found in _pattern(notice_text).finditer(text):
        opened = Markup("<mark>") if pieces else Markup('<mark id="{}">').format(place)
        pieces += [escape(text[end : found.start()]), opened, escape(found[0]), Markup("</mark>")]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def mark_html(document: str, notice_text: str) -> str:
    """The HTML document with the contents of the innermost elements that hold the notice marked."""
    root = lxml_html.document_fromstring(document.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))
    for number, holder in enumerate(_innermost(root, notice_text)):
        mark = lxml_html.Element("mark")
        if number == 0:
            mark.set("id", PLACE)
        mark.text, holder.text = holder.text, None
        for child in list(holder):
            mark.append(child)
        holder.append(mark)
    look = lxml_html.Element(
        "style"
    )  # a mail has a look of its own, for light and dark; the mark stays readable in both
    look.text = _LOOK
    (root if (body := root.find("body")) is None else body).append(look)
    marked: str = lxml_html.tostring(root, encoding="unicode", doctype="<!doctype html>")
    return marked


def _innermost(element: lxml_html.HtmlElement, notice_text: str) -> list[lxml_html.HtmlElement]:
    """The elements that hold the notice and have no child that does; none of what stands beside them is looked into."""
    if not isinstance(element.tag, str):
        return []
    if not count_html(lxml_html.tostring(element, encoding="unicode", with_tail=False), notice_text):
        return []
    return [found for child in element for found in _innermost(child, notice_text)] or [element]
