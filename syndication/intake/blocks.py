"""A document's body as a row of blocks, and the marks in it that are structure, not text. Pure.

"Part of a Series", "For more on this topic please see:" with its items, the notice, "Explore The Series": each is taken out
of the body and becomes what it means. Nothing else is lost: what follows a list and is no item of it stays in the body.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree
from lxml import html as lxml_html

from syndication.content import Related
from syndication.feeds.disclaimers import visible_text
from syndication.intake.notices import Own, at_end, refuse_inside

SERIES_MARK = "part of a series"
RELATED_MARK = "for more on this topic please see"
EXPLORE_MARK = "explore the series"
MARKS = frozenset({SERIES_MARK, RELATED_MARK, EXPLORE_MARK})
_LONGEST_TITLE = 300  # characters; more is prose, not an item of a list
_ADDRESS = re.compile(r"[(<]?(https?://[^\s<>()]+)[)>]?\s*$")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_CONTAINERS = frozenset({"div", "section", "main", "article", "header", "footer", "aside", "body"})
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "br", "button", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "label", "mark", "picture", "q", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u",
    "var", "wbr",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level piece of a body: its visible text, its markup, the items it lists; `footnotes` stay at the end."""

    text: str
    html: str
    items: tuple[Related, ...] = ()
    footnotes: bool = False


@dataclass(frozen=True, slots=True)
class Structured:
    standfirst: str
    body_html: str
    related: tuple[Related, ...]
    warnings: tuple[str, ...] = ()


def paragraph(text: str) -> Block:
    """A block of plain text; each line may be an item."""
    lines = [line for line in text.split("\n") if line.strip()]
    one_line = " ".join(" ".join(lines).split())
    return Block(one_line, f"<p>{html.escape(one_line, quote=False)}</p>", tuple(_item(line) for line in lines))


def from_html(markup: str) -> list[Block]:
    """The blocks of a body, out of the containers around them; inline elements and loose text in a row are one paragraph."""
    blocks: list[Block] = []
    if markup.strip():
        _split(lxml_html.fragment_fromstring(markup, create_parent="div"), blocks)
    return blocks


def _split(parent: lxml_html.HtmlElement, blocks: list[Block], around: dict[str, str] | None = None) -> None:
    """`around`: the language and direction that a container gave to all its pieces."""
    around = around or {}
    run = [html.escape(parent.text or "", quote=False)]
    for child in parent:
        tail, child.tail = child.tail, None
        if isinstance(child.tag, str) and child.tag in _INLINE:
            run.append(_markup(child))
        elif isinstance(child.tag, str):
            _end_run(run, blocks, around)
            said = {**around, **{name: child.get(name, "") for name in ("lang", "dir") if child.get(name)}}
            notes = _is_footnotes(child)
            if child.tag in _CONTAINERS and not notes and any(_is_block(one) for one in child):
                _split(child, blocks, said)
            else:
                for name, value in said.items():
                    child.set(name, value)
                blocks.append(Block(_words(_markup(child)), _markup(child), _listed(child), notes))
        run.append(html.escape(tail or "", quote=False))
    _end_run(run, blocks, around)


def _end_run(run: list[str], blocks: list[Block], around: dict[str, str]) -> None:
    markup = "".join(run).strip()
    run.clear()
    text = _words(markup) if markup else ""
    if text or "<img" in markup:
        element = lxml_html.fragment_fromstring(markup, create_parent="p")
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
        _without_notice(after, own, source)
        if any(len(b.text) > _LONGEST_TITLE for b in after):
            rest += after
            warnings.append("text follows “Explore The Series”; it was kept as part of the body")
        else:  # the list of the series: made anew on every page
            refuse_inside([(numbers[id(b)], b.text) for b in after], own, source)
    _without_notice(rest, own, source)
    related: tuple[Related, ...] = ()
    more = _last(rest, RELATED_MARK)
    if more is not None:
        after = rest[more + 1 :]
        count = next((i for i, b in enumerate(after) if not _is_list(b)), len(after))
        related = tuple(item for block in after[:count] for item in block.items if item.title)
        del rest[more:]
        _without_notice(rest, own, source)
        rest += after[count:]
        if after[count:]:
            warnings.append("text follows the list of related reading; it was kept as part of the body")
    refuse_inside([(numbers[id(b)], b.text) for b in (*rest, *footnotes)], own, source)
    refuse_inside([("the related reading", item.title) for item in related], own, source)
    standfirst = ""
    mark = next((i for i, b in enumerate(rest[:4]) if _is(b, SERIES_MARK)), None)
    if mark is not None:
        standfirst = " ".join(b.text for b in rest[:mark])
        del rest[: mark + 1]
    body = "\n".join(b.html for b in (*rest, *footnotes)) if rest else ""
    return Structured(standfirst, body, related, tuple(warnings))


def _without_notice(blocks: list[Block], own: Own, source: str) -> None:
    taken = at_end([b.text for b in blocks], own, source)
    if taken:
        del blocks[-taken:]
    while taken and blocks and blocks[-1].html.startswith("<hr"):
        blocks.pop()


def _is(block: Block, mark: str) -> bool:
    return is_mark(block.text, mark)


def is_mark(text: str, *marks: str) -> bool:
    """Is this one of the marks (all of them where none is named), whatever its case and its colon?"""
    return " ".join(text.split()).rstrip(":. ").casefold() in (marks or MARKS)


def _last(blocks: Sequence[Block], mark: str) -> int | None:
    return next((i for i in range(len(blocks) - 1, -1, -1) if _is(blocks[i], mark)), None)


def _is_list(block: Block) -> bool:
    return bool(block.items) and all(len(item.title) <= _LONGEST_TITLE for item in block.items)


def _item(line: str) -> Related:
    line = " ".join(_BULLET.sub("", line).split())
    found = _ADDRESS.search(line)
    if not found:
        return Related(title=line)
    title = line[: found.start()].rstrip(" :–—-,")
    return Related(title=title or found[1], url=found[1])


def _listed(element: lxml_html.HtmlElement) -> tuple[Related, ...]:
    if element.tag not in ("ul", "ol", "p", "div", "nav"):
        return ()
    items = []
    for row in element.findall(".//li") if element.tag in ("ul", "ol") else [element]:
        text = " ".join(row.text_content().split())
        link = row.find(".//a[@href]")
        address = (link.get("href") or "").strip() if link is not None else ""
        web = address.startswith(("https://", "http://"))
        items.append(Related(title=text, url=address) if web else _item(text))
    return tuple(items)


def _is_block(element: lxml_html.HtmlElement) -> bool:
    return isinstance(element.tag, str) and element.tag not in _INLINE


def _is_footnotes(element: lxml_html.HtmlElement) -> bool:
    said = " ".join(element.get(name) or "" for name in ("class", "role", "id"))
    return element.tag != "p" and ("footnote" in said or "endnotes" in said)


def _markup(element: lxml_html.HtmlElement) -> str:
    return etree.tostring(element, encoding="unicode", method="html")


def _words(markup: str) -> str:
    return " ".join(visible_text(markup).split())
