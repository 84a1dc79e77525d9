"""The plain-text form: a title, then paragraphs apart by blank lines. Pure.

Guessed is only what cannot be meant otherwise: lists, quotations, underlined or `##` headings, a line of stars, indented lines,
columns apart by tabs, web addresses. Everything else is a paragraph, its lines joined. The marks are found later, in
`blocks.structured`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from syndication.errors import BadInput
from syndication.intake.blocks import BULLET, Block, is_mark, item_of
from syndication.intake.document import Read
from syndication.intake.front import front
from syndication.intake.notices import named_in

LONGEST_TITLE = 300  # characters; more is prose
_UNDERLINE = re.compile(r"\s*(={3,}|-{3,}|~{3,})\s*")
_HEADING = re.compile(r"(#{1,5})\s+(\S.*?)\s*#*")
_RULE = re.compile(r"\s*(?:[*_-](?:\s*[*_-]){2,}|⁂|\*|•)\s*")
_ITEM = re.compile(r"\s{0,3}(?:(?P<bullet>[-*•])|(?P<number>\d{1,2})[.)])\s+(?=\S)")
_INDENTED = re.compile(r"(?: {4}|\t)\s*\S")
_ADDRESS = re.compile(r"https?://[^\s<>\"“”]+[^\s<>\"“”.,;:!?)\]’']")


def read_plain(text: str, source: str) -> Read:
    """Raises BadInput where the first paragraph cannot be a title."""
    first, *rest = _paragraphs(text)
    lines = first.split("\n")
    if len(lines) > 1 and _UNDERLINE.fullmatch(lines[-1]):
        lines.pop()
    title = " ".join(" ".join(lines).split())
    if heading := _HEADING.fullmatch(title):
        title = heading[2]
    if len(title) > LONGEST_TITLE or is_mark(title) or named_in(title, whole=False):
        raise BadInput(
            "the document has no title: its first paragraph is something else;",
            where=f"{source}, line 1",
            remedy="put the title in the first line and leave a line blank after it.",
        )
    said, warnings = front({"title": title}, source)
    return Read(said, tuple(block_of(p) for p in _joined(rest)), warnings)


def block_of(text: str) -> Block:
    """One paragraph's lines as what they are; each line may be an item of related reading."""
    lines = [line.rstrip("\r\n") for line in text.split("\n") if line.strip()]
    words = " ".join(" ".join(lines).split())
    items = tuple(item_of(line) for line in lines)
    return Block(words, _markup(lines, words), items, bulleted=all(BULLET.match(line) for line in lines))


def _markup(lines: Sequence[str], words: str) -> str:
    if _RULE.fullmatch(words):
        return "<hr>"
    if len(lines) == 2 and _UNDERLINE.fullmatch(lines[1]):
        level = "2" if "=" in lines[1] else "3"
        return f"<h{level}>{_inline(lines[0].strip())}</h{level}>"
    if len(lines) == 1 and (heading := _HEADING.fullmatch(lines[0].strip())):
        level = str(max(2, len(heading[1])))
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    if all(line.lstrip().startswith(">") for line in lines):
        inner = [line.lstrip()[1:].removeprefix(" ") for line in lines]
        quoted = "".join(f"<p>{_flowing(p.split(chr(10)))}</p>" for p in _apart(inner))
        return f"<blockquote>{quoted}</blockquote>"
    if (first := _ITEM.match(lines[0])) and any(
        _ITEM.match(line) for line in lines[1:]
    ):  # one alone is a dash or a date
        return _list(lines, first)
    if len(lines) > 1 and (rows := _columns(lines)):
        cells = "".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tbody>{cells}</tbody></table>"
    if len(lines) > 1 and all(_INDENTED.match(line) for line in lines):
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        return f"<pre>{html.escape(chr(10).join(line[margin:] for line in lines), quote=False)}</pre>"
    return f"<p>{_flowing(lines)}</p>"


def _flowing(lines: Sequence[str]) -> str:
    """Lines joined; two spaces at the end of one keep the break, as in Markdown."""
    pieces = [_inline(" ".join(line.split())) + ("<br>" if line.endswith("  ") else " ") for line in lines[:-1]]
    return "".join(pieces) + _inline(" ".join(lines[-1].split()))


def _inline(words: str) -> str:
    """Escaped, its web addresses links."""
    pieces: list[str] = []
    end = 0
    for found in _ADDRESS.finditer(words):
        address = html.escape(found[0])
        pieces += [html.escape(words[end : found.start()], quote=False), f'<a href="{address}">{address}</a>']
        end = found.end()
    return "".join((*pieces, html.escape(words[end:], quote=False)))


def _list(lines: Sequence[str], first: re.Match[str]) -> str:
    rows: list[list[str]] = []
    for line in lines:
        if found := _ITEM.match(line):
            rows.append([line[found.end() :]])
        else:
            rows[-1].append(line)
    items = "".join(f"<li>{_flowing(row)}</li>" for row in rows)
    if first["bullet"]:
        return f"<ul>{items}</ul>"
    start = f' start="{int(first["number"])}"' if int(first["number"]) != 1 else ""
    return f"<ol{start}>{items}</ol>"


def _columns(lines: Sequence[str]) -> list[list[str]]:
    """The cells of lines that all have the same tabs between words; empty where they have not."""
    rows = [[cell.strip() for cell in line.strip("\n ").split("\t")] for line in lines]
    width = len(rows[0])
    return rows if width > 1 and all(len(row) == width and row[0] for row in rows) else []


def _joined(paragraphs: Sequence[str]) -> list[str]:
    """Items apart by blank lines are one list, quoted paragraphs one quotation; a list parts from its announcement."""
    joined: list[str] = []
    for text in paragraphs:
        lines = text.split("\n")
        kind = _kind(lines[0])
        start = next((i for i, line in enumerate(lines) if i and _kind(line) == "bullet"), None)
        if joined and kind and kind == _kind(joined[-1].split("\n")[0]):
            joined[-1] += ("\n>\n" if kind == "quotation" else "\n") + text
        elif not kind and start is not None and lines[start - 1].rstrip().endswith(":"):
            joined += ["\n".join(lines[:start]), "\n".join(lines[start:])]
        else:
            joined.append(text)
    return joined


def _kind(line: str) -> str:
    if found := _ITEM.match(line):
        return "bullet" if found["bullet"] else "number"
    return "quotation" if line.lstrip().startswith(">") else ""


def _apart(lines: Sequence[str]) -> list[str]:
    return [p for p in re.split(r"\n\s*\n", "\n".join(lines)) if p.strip()]


def _paragraphs(text: str) -> list[str]:
    """Apart by blank lines; a mark and the beginning of a notice start anew also without one, and a mark stands alone."""
    paragraphs: list[list[str]] = [[]]
    lines = text.split("\n")
    for number, line in enumerate(lines):
        alone = is_mark(line)
        if alone or not line.strip() or (paragraphs[-1] and _starts_notice(lines, number)):
            paragraphs.append([])
        if line.strip():
            paragraphs[-1].append(line)
        if alone:
            paragraphs.append([])
    return ["\n".join(lines) for lines in paragraphs if lines]


def _starts_notice(lines: Sequence[str], number: int) -> bool:
    following = " ".join(lines[number : number + 6])
    if named_in(following, whole=False) is None:
        return False
    rest = " ".join(following.split())[len(" ".join(lines[number].split())) :]
    return named_in(rest, whole=False) is None
