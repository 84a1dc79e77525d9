"""Which links of a body are references to its footnotes, and which items are the notes. Pure."""

from __future__ import annotations

import re

from lxml import html as lxml_html

_NUMBER = re.compile(r"\d+")
BACK = frozenset({"↩", "↩︎", "↑", "^"})  # a footnote's way back is for eyes in a browser only


def notes_of(root: lxml_html.HtmlElement) -> dict[str, str]:
    """Id of each footnote → its number. A footnote is a list item that a raised link leads to."""
    items = {item.get("id") for item in root.iter("li")} - {None}
    found: dict[str, str] = {}
    for link in root.iter("a"):
        target = (link.get("href") or "").removeprefix("#")
        raised = any(parent.tag == "sup" for parent in link.iterancestors()) or link.find("sup") is not None
        if raised and target in items and link.get("href", "").startswith("#"):
            number = _NUMBER.search(link.text_content())
            found.setdefault(target, number[0] if number else str(len(found) + 1))
    return found


def is_way_back(link: lxml_html.HtmlElement) -> bool:
    return (link.get("href") or "").startswith("#") and link.text_content().strip() in BACK
