"""Bytes of a document to text, or a clear refusal: empty, too large, binary, in an encoding that nothing names. Pure."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress

from syndication.errors import BadInput

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_EMBEDDING = frozenset("\u202a\u202b\u202d\u202e")
_ISOLATE = frozenset("\u2066\u2067\u2068")
_END_OF_EMBEDDING, _END_OF_ISOLATE = "\u202c", "\u2069"
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]{0,100}?encoding=["']([\w.:-]+)""", re.I
)
_DECLARED_WITHIN = 2_048  # bytes
_KNOWN = re.compile(
    r"(?:windows-|cp)125[0-8]|iso-8859-1?\d|latin1|(?:us-)?ascii|koi8-[ru]|shift_jis|euc-(?:jp|kr)|iso-2022-jp|gbk|gb2312|gb18030"
    r"|big5|mac-?roman|utf-8"
)
# What browsers take these names for (WHATWG Encoding Standard §4.2).
_TAKEN_FOR = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-9": "cp1254",
}


def decode(data: bytes, source: str, *, max_bytes: int, declares: bool = False) -> tuple[str, tuple[str, ...]]:
    """(text with LF line ends, warnings). UTF-8 with or without BOM, or UTF-16 with one; where the form is one that `declares`
    its encoding (HTML) and it is not UTF-8, as it says. Raises BadInput."""
    check_size(len(data), source, max_bytes)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in data:
        raise BadInput("this is a binary file, not a document;", where=source, remedy="import text, Markdown or HTML.")
    text = _text(data, source, wide, _declared(data) if declares else "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise BadInput("the document is empty;", where=source, remedy="give it a title and a text, or take it away.")
    cleaned = without_controls(text)
    count = len(text) - len(cleaned)
    characters = "character was" if count == 1 else "characters were"
    return cleaned, (f"{count} control {characters} taken out",) if count else ()


def _text(data: bytes, source: str, wide: bool, declared: str) -> str:
    tries = [("UTF-16", "utf-16")] if wide else [("UTF-8", "utf-8-sig"), *([(declared, declared)] if declared else [])]
    for _, codec in tries[:-1]:
        with suppress(UnicodeDecodeError):
            return data.decode(codec)
    name, codec = tries[-1]
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            f"byte {error.start} is not {name};", where=f"{source}, line {line}", remedy="save the document as UTF-8."
        ) from error


def _declared(data: bytes) -> str:
    """The encoding that an HTML document says it has; empty where it says none that is known."""
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    if found is None:
        return ""
    name = (found[1] or found[2]).decode("ascii").lower()
    return _TAKEN_FOR.get(name, name) if _KNOWN.fullmatch(name) else ""


def check_size(size: int, source: str, max_bytes: int) -> None:
    """Raises BadInput for a document of more than `max_bytes` bytes; to be asked before it is read."""
    if size > max_bytes:
        raise BadInput(
            f"the document has {size:,} bytes, {max_bytes:,} are allowed;",
            where=source,
            remedy="split it, or raise SYNDICATION_DOCUMENT_MAX_BYTES.",
        )


def without_controls(text: str) -> str:
    """Without characters that no format has a place for (tab and line feed stay): XML 1.0 §2.2, PostgreSQL's NUL."""
    return _CONTROL.sub("", text)


def without_open_bidi(text: str) -> str:
    """Without embeddings, overrides and isolates that nothing closes, and closings of nothing: they would turn what stands
    beside the text in a subject or a list (UAX #9 §2)."""
    opened: list[int] = []
    stray: set[int] = set()
    for place, character in enumerate(text):
        if character in _EMBEDDING or character in _ISOLATE:
            opened.append(place)
        elif character == _END_OF_EMBEDDING and opened and text[opened[-1]] in _EMBEDDING:
            opened.pop()
        elif character == _END_OF_ISOLATE and any(text[one] in _ISOLATE for one in opened):
            while text[one := opened.pop()] in _EMBEDDING:
                stray.add(one)
        elif character in (_END_OF_EMBEDDING, _END_OF_ISOLATE):
            stray.add(place)
    stray.update(opened)
    return "".join(character for place, character in enumerate(text) if place not in stray) if stray else text
