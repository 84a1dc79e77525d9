"""A document's body as a row of blocks, and the marks in it that are structure, not text. Pure.

"Part of a Series", "For more on this topic please see:" with its items, the notice, "Explore The Series": each is taken out
of the body and becomes what it means. Nothing else is lost: what follows a list and is no item of it stays in the body.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import html as lxml_html

from syndication.content import Related
from syndication.feeds.disclaimers import possible_text
from syndication.intake.markup import fragment, inner, outer
from syndication.intake.notices import Own, at_end, refuse_anothers_at_end, refuse_inside

# The marks as publishers write them, and as our own renderings do; spelling, case, punctuation and arrows do not matter.
SERIES_MARK = frozenset({
    "part of a series", "part of the series", "part of this series", "teil einer reihe", "teil der reihe", "teil einer serie",
    "dans la série", "partie d une série", "parte de la serie", "parte de una serie",
})  # fmt: skip
RELATED_MARK = frozenset({
    "for more on this topic please see", "for more on this topic see", "for more information on this topic please see",
    "related reading", "mehr zu diesem thema", "à lire aussi sur ce sujet", "más sobre este tema",
})  # fmt: skip
EXPLORE_MARK = frozenset({
    "explore the series", "explore this series", "explore the full series", "zur reihe", "alle teile der reihe",
    "explorer la série", "explorar la serie",
})  # fmt: skip
MARKS = SERIES_MARK | RELATED_MARK | EXPLORE_MARK
_LONGEST_TITLE = 300  # characters; more is prose, not an item of a list
_BREAK = re.compile(r"<br\b[^>]*>", re.IGNORECASE)
_LONGEST_MARK = 80
_LONGEST_STANDFIRST = 1_500
_ADDRESS = re.compile(r"[(<]?(https?://[^\s<>()]+)[)>]?")
_LINKED = re.compile(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)")
_PROSE = re.compile(r"[^\W\d_]{4,}[.!][\s\"”’'*_)]*$")  # ends as a sentence does; not “U.S.”, not “Inc.”
BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_CONTAINERS = frozenset({"div", "section", "main", "article", "header", "footer", "aside", "body"})
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "br", "button", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "label", "mark", "picture", "q", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u",
    "var", "wbr",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level piece of a body: its text, its markup, the items it lists; `footnotes` stay at the end, `bulleted` ones are
    meant as items."""

    text: str
    html: str
    items: tuple[Related, ...] = ()
    footnotes: bool = False
    bulleted: bool = False


@dataclass(frozen=True, slots=True)
class Structured:
    standfirst: str
    body_html: str
    related: tuple[Related, ...]
    warnings: tuple[str, ...] = ()


def from_html(markup: str, source: str = "") -> list[Block]:
    """The blocks of a body, out of the containers around them; inline elements and loose text in a row are one paragraph."""
    return from_tree(fragment(markup, source)) if markup.strip() else []


def from_tree(parent: lxml_html.HtmlElement) -> list[Block]:
    """The blocks inside of an element."""
    blocks: list[Block] = []
    _split(parent, blocks)
    return blocks


def _split(parent: lxml_html.HtmlElement, blocks: list[Block], around: dict[str, str] | None = None) -> None:
    """`around`: the language and direction that a container gave to all its pieces."""
    around = around or {}
    run = [html.escape(parent.text or "", quote=False)]
    for child in parent:
        tail, child.tail = child.tail, None
        if isinstance(child.tag, str) and child.tag in _INLINE:
            run.append(outer(child))
        elif isinstance(child.tag, str):
            _end_run(run, blocks, around)
            said = {**around, **{name: child.get(name, "") for name in ("lang", "dir") if child.get(name)}}
            notes = _is_footnotes(child)
            if child.tag in _CONTAINERS and not notes and any(_is_block(one) for one in child):
                if child.get("id") and isinstance(child[0].tag, str) and not child[0].get("id"):
                    child[0].set("id", child.get("id", ""))  # a link to the container still finds its place
                _split(child, blocks, said)
            elif (
                child.tag not in _CONTAINERS
                or notes
                or child.text_content().strip()
                or child.find(".//img") is not None
            ):
                for name, value in said.items():
                    child.set(name, value)
                if child.tag in _CONTAINERS and not notes:
                    child.tag = "p"
                blocks.append(
                    Block(_words(outer(child)), outer(child), _listed(child), notes, child.tag in ("ul", "ol"))
                )
        run.append(html.escape(tail or "", quote=False))
    _end_run(run, blocks, around)


def _end_run(run: list[str], blocks: list[Block], around: dict[str, str]) -> None:
    markup = "".join(run).strip()
    run.clear()
    text = _words(markup) if markup else ""
    if text or "<img" in markup:
        element = fragment(markup, "", "p")
        said = "".join(f' {name}="{html.escape(value)}"' for name, value in around.items())
        blocks.append(Block(text, f"<p{said}>{markup}</p>", _listed(element)))


def structured(blocks: Sequence[Block], own: Own, source: str) -> Structured:
    """Marks taken out of the blocks. Raises BadInput for a foreign notice at the end or any notice inside."""
    footnotes = [b for b in blocks if b.footnotes]
    numbers = {id(b): f"paragraph {number}" for number, b in enumerate(blocks, 1)}
    rest = [b for b in blocks if not b.footnotes]
    warnings: list[str] = []
    explore = _last(rest, EXPLORE_MARK)
    if explore is not None:
        after = rest[explore + 1 :]
        del rest[explore:]
        _without_notice(after, own, source, warnings)
        refuse_inside([(numbers[id(b)], b.text) for b in after], own, source)
        kept = [b for b in after if not _is_list(b)]
        if kept:
            warnings.append("text follows “Explore The Series”; it was kept as part of the body")
        if count := sum(len(b.items) or 1 for b in after if _is_list(b)):
            warnings.append(
                f"the list under “Explore The Series” ({count} lines) was left out: every page makes it anew"
            )
        rest += kept
    _without_notice(rest, own, source, warnings)
    related: tuple[Related, ...] = ()
    more = _last(rest, RELATED_MARK)
    if more is not None:
        after = rest[more + 1 :]
        count = next((i for i, b in enumerate(after) if not _is_list(b)), len(after))
        related = tuple(item for block in after[:count] for item in block.items if item.title)
        del rest[more:]
        _without_notice(rest, own, source, warnings)
        rest += after[count:]
        if after[count:]:
            warnings.append("text follows the list of related reading; it was kept as part of the body")
    refuse_inside([(numbers[id(b)], b.text) for b in (*rest, *footnotes)], own, source)
    refuse_inside([("the related reading", item.title) for item in related], own, source)
    for ending in (rest, footnotes):
        refuse_anothers_at_end([b.text for b in ending], own, source)
    standfirst = ""
    mark = next((i for i, b in enumerate(rest[:4]) if is_mark(b.text, SERIES_MARK)), None)
    if mark is not None:
        above = [b for b in rest[:mark] if not _is_rule(b)]
        if any("<img" in b.html for b in above) or len(" ".join(b.text for b in above)) > _LONGEST_STANDFIRST:
            rest = [*above, *rest[mark + 1 :]]  # more than a standfirst: nothing of it may be lost
        else:
            standfirst = " ".join(b.text for b in above)
            del rest[: mark + 1]
    body = "\n".join(b.html for b in (*rest, *footnotes)) if rest else ""
    return Structured(standfirst, body, related, tuple(warnings))


def _without_notice(blocks: list[Block], own: Own, source: str, warnings: list[str]) -> None:
    """The notice taken from the end, as often as it stands there."""
    while taken := at_end([b.text for b in blocks], own, source):
        if taken.part:
            warnings.append(
                "a part of the notice stood at the end and was taken out: every rendering carries the whole"
            )
        del blocks[-taken.count :]
        while blocks and _is_rule(blocks[-1]):
            blocks.pop()


def _is_rule(block: Block) -> bool:
    return block.html.startswith("<hr")


def is_mark(text: str, marks: frozenset[str] = MARKS) -> bool:
    """Is this one of the marks, however it is spelled?"""
    if len(text) > _LONGEST_MARK:
        return False
    return " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", text)).split()).casefold() in marks


def _last(blocks: Sequence[Block], marks: frozenset[str]) -> int | None:
    return next((i for i in range(len(blocks) - 1, -1, -1) if is_mark(blocks[i].text, marks)), None)


def _is_list(block: Block) -> bool:
    """Items, not prose: short, and with a bullet, an address, or no full stop at the end."""
    return bool(block.items) and all(
        len(item.title) <= _LONGEST_TITLE and (block.bulleted or item.url or not _PROSE.search(item.title))
        for item in block.items
    )


def item_of(line: str) -> Related:
    """A line of related reading: its title and, wherever it stands in the line, its address."""
    line = " ".join(BULLET.sub("", line).split())
    if linked := _LINKED.search(line):
        return Related(title=line.replace(linked[0], linked[1]), url=linked[2])
    found = _ADDRESS.search(line)
    if not found:
        return Related(title=line)
    address = found[1].rstrip(".,;")
    before, after = line[: found.start()].rstrip(" :–—-,"), line[found.end() :].strip(" :–—-,.;")
    return Related(title=f"{before} {after}".strip() or address, url=address)


def _listed(element: lxml_html.HtmlElement) -> tuple[Related, ...]:
    if element.tag not in ("ul", "ol", "p", "div", "nav"):
        return ()
    if element.tag in ("ul", "ol"):
        rows = element.findall(".//li")
    else:
        rows = [fragment(line, "", "p") for line in _BREAK.split(inner(element)) if line.strip()]
    items = []
    for row in rows:
        text = " ".join(row.text_content().split())
        link = row.find(".//a[@href]")
        address = (link.get("href") or "").strip() if link is not None else ""
        web = address.startswith(("https://", "http://"))
        items.append(Related(title=text, url=address) if web else item_of(text))
    return tuple(items)


def _is_block(element: lxml_html.HtmlElement) -> bool:
    return isinstance(element.tag, str) and element.tag not in _INLINE


def _is_footnotes(element: lxml_html.HtmlElement) -> bool:
    said = " ".join(element.get(name) or "" for name in ("class", "role", "id"))
    return element.tag != "p" and ("footnote" in said or "endnotes" in said)


def _words(markup: str) -> str:
    """Also those that the source hides: sanitising takes the hiding away, and a notice must not come into sight unread."""
    return " ".join(possible_text(markup).split())
