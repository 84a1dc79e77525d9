"""A document's body as a row of blocks, and the marks in it that are structure, not text. Pure.

"Part of a Series", "For more on this topic please see:" with its items, the notice, "Explore The Series": each is taken out
of the body and becomes what it means.
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
from syndication.intake.notices import trailing

SERIES_MARK = "part of a series"
RELATED_MARK = "for more on this topic please see"
EXPLORE_MARK = "explore the series"
_ADDRESS = re.compile(r"[(<]?(https?://[^\s<>()]+)[)>]?\s*$")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level piece of a body: its visible text, its markup, and the items it lists."""

    text: str
    html: str
    items: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True)
class Structured:
    standfirst: str
    body_html: str
    related: tuple[Related, ...]


def paragraph(text: str) -> Block:
    """A block of plain text; each line may be an item."""
    lines = [line for line in text.split("\n") if line.strip()]
    one_line = " ".join(" ".join(lines).split())
    return Block(one_line, f"<p>{html.escape(one_line, quote=False)}</p>", tuple(_item(line) for line in lines))


def from_html(markup: str) -> list[Block]:
    """The top-level elements of a body; loose text between them counts as a paragraph."""
    if not markup.strip():
        return []
    root = lxml_html.fragment_fromstring(markup, create_parent="div")
    while len(root) == 1 and root[0].tag in ("div", "article", "main", "section") and not (root.text or "").strip():
        root = root[0]
    blocks = [paragraph(root.text)] if root.text and root.text.strip() else []
    for element in root:
        tail, element.tail = element.tail, None
        if isinstance(element.tag, str):
            text = " ".join(visible_text(etree.tostring(element, encoding="unicode", method="html")).split())
            blocks.append(Block(text, etree.tostring(element, encoding="unicode", method="html"), _listed(element)))
        if tail and tail.strip():
            blocks.append(paragraph(tail))
    return blocks


def structured(blocks: Sequence[Block], known: Sequence[str], name: str, source: str) -> Structured:
    """Marks taken out of the blocks. Raises BadInput for a foreign or a quoted notice (see `notices.trailing`)."""
    blocks = list(blocks)
    explore = _last(blocks, EXPLORE_MARK)
    if explore is not None:
        del blocks[explore:]
    taken = trailing([b.text for b in blocks], known, name, source)
    if taken:
        del blocks[-taken:]
        while blocks and blocks[-1].html.startswith("<hr"):
            blocks.pop()
    related: tuple[Related, ...] = ()
    more = _last(blocks, RELATED_MARK)
    if more is not None:
        related = tuple(item for block in blocks[more + 1 :] for item in block.items if item.title)
        del blocks[more:]
    standfirst = ""
    mark = next((i for i, b in enumerate(blocks[:4]) if _is(b, SERIES_MARK)), None)
    if mark is not None:
        standfirst = " ".join(b.text for b in blocks[:mark])
        del blocks[: mark + 1]
    return Structured(standfirst, "\n".join(b.html for b in blocks), related)


def _is(block: Block, mark: str) -> bool:
    return block.text.strip().rstrip(":.").strip().casefold() == mark


def _last(blocks: Sequence[Block], mark: str) -> int | None:
    return next((i for i in range(len(blocks) - 1, -1, -1) if _is(blocks[i], mark)), None)


def _item(line: str) -> Related:
    line = _BULLET.sub("", line).strip()
    found = _ADDRESS.search(line)
    if not found:
        return Related(title=line)
    title = line[: found.start()].rstrip(" :–—-,")
    return Related(title=title or found[1], url=found[1])


def _listed(element: lxml_html.HtmlElement) -> tuple[Related, ...]:
    rows = element.findall(".//li") if element.tag in ("ul", "ol") else [element]
    items = []
    for row in rows:
        text = " ".join(row.text_content().split())
        link = row.find(".//a[@href]")
        address = link.get("href") if link is not None else None
        items.append(Related(title=text, url=address if address and address.startswith("http") else None))
    return tuple(items)
