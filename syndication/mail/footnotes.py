"""Which links of a body are references to its footnotes, what the notes are, and which links lead back from them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import html as lxml_html

_NUMBER = re.compile(r"\d+")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_BACK = frozenset({"↩", "↩︎", "↑", "^"})  # a footnote's way back is for eyes in a browser only
_ALONE = ("p", "div", "aside")  # what a note may be outside of a list
_LONGEST_MARK = 4  # characters of a reference to one of those: `1`, `[12]`, `*`


@dataclass(frozen=True, slots=True)
class Notes:
    """`numbers`: id of each footnote → its number; `places`: the ids that the references themselves have."""

    numbers: dict[str, str]
    places: frozenset[str]

    def number_of(self, link: lxml_html.HtmlElement) -> str | None:
        """The number of the note that this link leads to; None where it leads to none."""
        return self.numbers.get(_target(link))

    def is_way_back(self, link: lxml_html.HtmlElement) -> bool:
        target = _target(link)
        return bool(target) and (target in self.places or link.text_content().strip() in _BACK)


def notes_of(root: lxml_html.HtmlElement) -> Notes:
    """A footnote is a list item that a raised link leads to, or a paragraph that one of a few characters does."""
    items = {item.get("id") for item in root.iter("li")} - {None}
    alone = {item.get("id") for item in root.iter(*_ALONE)} - {None}
    numbers: dict[str, str] = {}
    places: set[str | None] = set()
    for link in root.iter("a"):
        target, words = _target(link), link.text_content().strip()
        raised = [*link.iterancestors("sup"), *link.iterchildren("sup")]
        if raised and (target in items or (target in alone and len(words) <= _LONGEST_MARK)):
            number = _NUMBER.search(words)
            numbers.setdefault(target, number[0] if number else str(len(numbers) + 1))
            places |= {one.get("id") for one in (link, *raised)}
    return Notes(numbers, frozenset(place for place in places if place))


def without_number(note: str, number: str) -> str:
    """A note's text less the number that it begins with, raised or in brackets, where it has one."""
    return re.sub(rf"^[\[(]?(?:{number}|{number.translate(_RAISED)})(?!\d)[\])]?[.:]?\s+", "", note)


def _target(link: lxml_html.HtmlElement) -> str:
    """The id of the place in the text that a link leads to; empty for other links."""
    address = link.get("href") or ""
    return address[1:] if address.startswith("#") else ""
