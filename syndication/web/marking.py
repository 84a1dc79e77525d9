"""Show where the notice stands: `<mark>` around it in a text, in JSON as printed, in an HTML document. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from lxml import html as lxml_html
from markupsafe import Markup, escape

from syndication.feeds.disclaimers import count_html, normalised

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


def mark_text(text: str, notice_text: str) -> Markup:
    """The text, escaped, each notice in it marked; line breaks, addresses and tags between its words are let through."""
    pieces: list[Markup] = []
    end = 0
    for found in _pattern(notice_text).finditer(text):
        pieces += [escape(text[end : found.start()]), Markup("<mark>{}</mark>").format(found[0])]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def mark_html(document: str, notice_text: str) -> str:
    """The HTML document with the contents of the innermost elements that hold the notice marked."""
    root = lxml_html.document_fromstring(document.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))
    holders = [e for e in root.iter() if isinstance(e.tag, str) and _holds(e, notice_text)]
    for holder in holders:
        if any(child in holders for child in holder):
            continue
        mark = lxml_html.Element("mark")
        mark.text, holder.text = holder.text, None
        for child in list(holder):
            mark.append(child)
        holder.append(mark)
    marked: str = lxml_html.tostring(root, encoding="unicode", doctype="<!doctype html>")
    return marked


def _holds(element: lxml_html.HtmlElement, notice_text: str) -> bool:
    return count_html(lxml_html.tostring(element, encoding="unicode", with_tail=False), notice_text) > 0
