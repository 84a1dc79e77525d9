"""Bytes of a document to text, or a clear refusal: empty, too large, binary, not UTF-8. Pure."""

from __future__ import annotations

import codecs
import re

from syndication.errors import BadInput

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def decode(data: bytes, source: str, *, max_bytes: int) -> tuple[str, tuple[str, ...]]:
    """(text with LF line ends, warnings). UTF-8 with or without BOM, or UTF-16 with one. Raises BadInput."""
    check_size(len(data), source, max_bytes)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in data:
        raise BadInput("this is a binary file, not a document;", where=source, remedy="import text, Markdown or HTML.")
    name = "UTF-16" if wide else "UTF-8"
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            f"byte {error.start} is not {name};", where=f"{source}, line {line}", remedy="save the document as UTF-8."
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise BadInput("the document is empty;", where=source, remedy="give it a title and a text, or take it away.")
    cleaned = without_controls(text)
    count = len(text) - len(cleaned)
    return cleaned, (f"{count} control characters were taken out",) if count else ()


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
