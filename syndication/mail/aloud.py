"""HTML of a body as plain text to be read aloud: no rows of symbols, tables as sentences, links and notes numbered. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree
from lxml import html as lxml_html

from syndication.mail.footnotes import Notes, notes_of, without_number
from syndication.mail.words import Words, words_for

_BLOCKS = frozenset({
    "address", "article", "aside", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hr", "li", "main", "nav", "p", "section", "caption", "details", "summary",
})  # fmt: skip
_SKIPPED = frozenset({"script", "style", "template", "noscript", "rp"})
_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_RAISABLE, _LOWERABLE = frozenset("0123456789+-−=()n"), frozenset("0123456789+-−=()")
_BREAK = "\v"


@dataclass
class Spoken:
    """`text` in paragraphs; `links` in the order of their numbers."""

    text: str
    links: list[str] = field(default_factory=list)


def aloud(body_html: str, words: Words | None = None) -> Spoken:
    """Paragraphs set apart by an empty line. A link's words are followed by its number, `[1]`; `links[0]` is its address.
    `words` are those of the text's language."""
    try:
        root = lxml_html.fragment_fromstring(body_html or "<p></p>", create_parent="div")
    except etree.ParserError:
        return Spoken("")
    reader = _Reader(words or words_for("en"), notes_of(root), [])
    reader.read(root)
    reader.flush()
    return Spoken("\n\n".join(reader.paragraphs), reader.links)


class _Reader:
    def __init__(self, words: Words, notes: Notes, links: list[str]) -> None:
        self.words, self.notes, self.links = words, notes, links
        self.paragraphs: list[str] = []
        self._line: list[str] = []

    def flush(self) -> None:
        text = "".join(self._line).replace(_BREAK, f" {_BREAK} ")
        lines = [" ".join(piece.split()) for piece in text.split(_BREAK)]
        self._line.clear()
        if text := "\n".join(line for line in lines if line):
            self.paragraphs.append(text)

    def read(self, element: lxml_html.HtmlElement) -> None:
        if element.text:
            self._line.append(element.text)
        for child in element:
            self._child(child)
            if child.tail:
                self._line.append(child.tail)

    def within(self, element: lxml_html.HtmlElement) -> list[str]:
        """The paragraphs of an element on its own; its links go on numbering."""
        inner = _Reader(self.words, self.notes, self.links)
        inner.read(element)
        inner.flush()
        return inner.paragraphs

    def _child(self, child: lxml_html.HtmlElement) -> None:
        tag = child.tag
        if not isinstance(tag, str) or tag in _SKIPPED:
            return
        if tag in _BLOCKS:
            self.flush()
            if (number := self.notes.numbers.get(child.get("id"))) is not None:
                self._note(child, number)
            else:
                self.read(child)
                self.flush()
        elif tag in {"table", "ul", "ol", "pre", "blockquote"}:
            self.flush()
            {"table": self._table, "pre": self._code, "blockquote": self._quotation}.get(tag, self._list)(child)
        elif tag == "br":
            self._line.append(_BREAK)
        else:
            self._inline(child, tag)

    def _inline(self, child: lxml_html.HtmlElement, tag: str) -> None:
        if tag == "img":
            self._image(child)
        elif tag == "a":
            self._link(child)
        elif tag == "sup" and not _plain(child, _RAISABLE):
            self.read(child)
        elif tag == "sup":
            self._line.append(child.text_content().translate(_RAISED))
        elif tag == "sub" and _plain(child, _LOWERABLE):
            self._line.append(child.text_content().translate(_LOWERED))
        elif tag in {"del", "s"}:
            self._between(child, f"({self.words.struck}: ", ")")
        elif tag == "q":
            self._between(child, "“", "”")
        elif tag == "rt":
            self._between(child, " (", ")")
        else:
            self.read(child)

    def _between(self, child: lxml_html.HtmlElement, before: str, after: str) -> None:
        self._line.append(before)
        self.read(child)
        self._line.append(after)

    def _image(self, image: lxml_html.HtmlElement) -> None:
        alt = " ".join((image.get("alt") or "").split())
        if alt:
            self._line.append(f"{self.words.image}: {alt}{'' if alt[-1] in '.!?' else '.'} ")

    def _link(self, link: lxml_html.HtmlElement) -> None:
        address = link.get("href") or ""
        if self.notes.is_way_back(link):
            return
        if (note := self.notes.number_of(link)) is not None:
            self._line.append(f" ({self.words.note.format(number=note)})")
            return
        words = " ".join(link.text_content().split())
        self.read(link)
        if address.startswith(("http://", "https://")) and address != words:
            if address not in self.links:
                self.links.append(address)
            self._line.append(f" [{self.links.index(address) + 1}]")

    def _code(self, code: lxml_html.HtmlElement) -> None:
        self.paragraphs.append(code.text_content().strip("\n"))

    def _quotation(self, quotation: lxml_html.HtmlElement) -> None:
        said = self.within(quotation)
        if said:
            self.paragraphs += [f"{self.words.quotation}: {said[0]}", *said[1:]]

    def _list(self, items: lxml_html.HtmlElement) -> None:
        """Items on lines of their own, what lies deeper two blanks to the right; footnotes by their numbers."""
        number = int(start) - 1 if (start := items.get("start", "")).isdecimal() else 0
        lines: list[str] = []
        for item in items.iterchildren("li"):
            number += 1
            paragraphs = self.within(item)
            if not paragraphs:
                continue
            if (note := self.notes.numbers.get(item.get("id"))) is not None:
                begin = self.words.note_begin.format(number=note) + " "
            else:
                begin = f"{number}. " if items.tag == "ol" else "- "
            lines.append((begin + "\n".join(paragraphs)).replace("\n", "\n  "))
        if lines:
            self.paragraphs.append("\n".join(lines))

    def _note(self, note: lxml_html.HtmlElement, number: str) -> None:
        """A footnote that is no item of a list."""
        first, *rest = self.within(note) or [""]
        begin = self.words.note_begin.format(number=number)
        self.paragraphs += [f"{begin} {without_number(first, number)}", *rest]

    def _table(self, table: lxml_html.HtmlElement) -> None:
        """`Year: 2024. Passengers: 12.` for each row, where the table has a head; else the cells, comma separated."""
        caption = table.find(".//caption")
        if caption is not None and caption.text_content().strip():
            self.paragraphs.append(" ".join(caption.text_content().split()))
        heads: list[str] = []
        rows: list[str] = []
        for row in table.iter("tr"):
            cells = [cell for cell in row if cell.tag in {"td", "th"}]
            said = [" ".join(" ".join(self.within(cell)).split()) for cell in cells]
            if not heads and not rows and cells and all(cell.tag == "th" for cell in cells):
                heads = said
            elif heads and len(heads) == len(said):
                rows.append(" ".join(_sentence(f"{h}: {c}" if h else c) for h, c in zip(heads, said, strict=True) if c))
            elif any(said):
                rows.append(_sentence(", ".join(c for c in said if c)))
        if not rows and heads:
            rows.append(_sentence(", ".join(heads)))
        if rows:
            self.paragraphs.append("\n".join(rows))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _plain(element: lxml_html.HtmlElement, signs: frozenset[str]) -> bool:
    return len(element) == 0 and bool(element.text) and set(element.text) <= signs
