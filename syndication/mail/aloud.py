"""HTML of a body as plain text that can be read aloud: no rows of symbols, tables as sentences, links numbered. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree
from lxml import html as lxml_html

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
    "caption", "details", "summary",
})  # fmt: skip
_SKIPPED = frozenset({"script", "style", "template", "noscript"})
_BREAK = "\v"


@dataclass
class Spoken:
    """`text` in paragraphs; `links` in the order of their numbers."""

    text: str
    links: list[str] = field(default_factory=list)


def aloud(body_html: str, *, image_word: str = "Image") -> Spoken:
    """Paragraphs set apart by an empty line. A link's words are followed by its number, `[1]`; `links[0]` is its address."""
    try:
        root = lxml_html.fragment_fromstring(body_html or "<p></p>", create_parent="div")
    except etree.ParserError:
        return Spoken("")
    reader = _Reader(image_word)
    reader.read(root)
    reader.flush()
    return Spoken("\n\n".join(reader.paragraphs), reader.links)


class _Reader:
    def __init__(self, image_word: str) -> None:
        self.image_word = image_word
        self.paragraphs: list[str] = []
        self.links: list[str] = []
        self._line: list[str] = []

    def flush(self, prefix: str = "") -> None:
        text = " ".join("".join(self._line).replace("\v", " \v ").split(" ")).strip()
        lines = [" ".join(piece.split()) for piece in text.split(_BREAK)]
        text = "\n".join(line for line in lines if line)
        self._line.clear()
        if text:
            self.paragraphs.append(prefix + text)

    def read(self, element: lxml_html.HtmlElement) -> None:
        if element.text:
            self._line.append(element.text)
        for child in element:
            self._child(child)
            if child.tail:
                self._line.append(child.tail)

    def _child(self, child: lxml_html.HtmlElement) -> None:
        tag = child.tag
        if not isinstance(tag, str) or tag in _SKIPPED:
            return
        if tag == "br":
            self._line.append(_BREAK)
        elif tag == "img":
            self._image(child)
        elif tag == "a":
            self._link(child)
        elif tag == "table":
            self.flush()
            self._table(child)
        elif tag in {"ul", "ol"}:
            self.flush()
            self._list(child, numbered=tag == "ol")
        elif tag == "pre":
            self.flush()
            self.paragraphs.append(child.text_content().strip("\n"))
        elif tag in _BLOCKS:
            self.flush()
            self.read(child)
            self.flush()
        else:
            self.read(child)

    def _image(self, image: lxml_html.HtmlElement) -> None:
        alt = " ".join((image.get("alt") or "").split())
        if alt:
            self._line.append(f"{self.image_word}: {alt}{'' if alt[-1] in '.!?' else '.'} ")

    def _link(self, link: lxml_html.HtmlElement) -> None:
        address = link.get("href") or ""
        words = " ".join(link.text_content().split())
        if address.startswith("#") and words in {"↩", "↩︎", "↑", "^"}:  # a footnote's way back is for eyes only
            return
        self.read(link)
        if address.startswith(("http://", "https://")) and address != words:
            if address not in self.links:
                self.links.append(address)
            self._line.append(f" [{self.links.index(address) + 1}]")

    def _list(self, items: lxml_html.HtmlElement, *, numbered: bool) -> None:
        number = 0
        lines: list[str] = []
        for item in items:
            if item.tag != "li":
                continue
            number += 1
            inner = _Reader(self.image_word)
            inner.links = self.links
            inner.read(item)
            inner.flush()
            if inner.paragraphs:
                inner.paragraphs[0] = (f"{number}. " if numbered else "- ") + inner.paragraphs[0]
                lines.append("\n".join(inner.paragraphs))
        if lines:
            self.paragraphs.append("\n".join(lines))

    def _table(self, table: lxml_html.HtmlElement) -> None:
        """`Year: 2024. Passengers: 12.` for each row, where the table has a head; else the cells, comma separated."""
        caption = table.find(".//caption")
        if caption is not None and caption.text_content().strip():
            self.paragraphs.append(" ".join(caption.text_content().split()))
        heads: list[str] = []
        rows: list[str] = []
        for row in table.iter("tr"):
            cells = [" ".join(cell.text_content().split()) for cell in row if cell.tag in {"td", "th"}]
            if not heads and not rows and cells and all(cell.tag == "th" for cell in row if cell.tag in {"td", "th"}):
                heads = cells
                continue
            if heads and len(heads) == len(cells):
                pairs = zip(heads, cells, strict=True)
                rows.append(" ".join(f"{h}: {c}." if h else f"{c}." for h, c in pairs if c))
            elif any(cells):
                rows.append(", ".join(c for c in cells if c) + ".")
        if not rows and heads:
            rows.append(", ".join(heads) + ".")
        if rows:
            self.paragraphs.append("\n".join(rows))
