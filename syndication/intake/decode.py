"""Bytes of a document to text, or a clear refusal: empty, too large, binary, not UTF-8. Pure."""

from __future__ import annotations

import codecs
import re

from syndication.errors import BadInput

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def decode(data: bytes, source: str, *, max_bytes: int) -> tuple[str, tuple[str, ...]]:
    """(text with LF line ends, warnings). UTF-8 with or without BOM, or UTF-16 with one. Raises BadInput."""
    if len(data) > max_bytes:
        raise BadInput(
            f"the document has {len(data):,} bytes, {max_bytes:,} are allowed;",
            where=source,
            remedy="split it, or raise SYNDICATION_DOCUMENT_MAX_BYTES.",
        )
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in data:
        raise BadInput("this is a binary file, not a document;", where=source, remedy="import text, Markdown or HTML.")
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            f"byte {error.start} is not UTF-8;", where=f"{source}, line {line}", remedy="save the document as UTF-8."
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise BadInput("the document is empty;", where=source, remedy="give it a title and a text, or take it away.")
    cleaned, count = _CONTROL.subn("", text)
    warnings = (f"{count} control characters were taken out",) if count else ()
    return cleaned, warnings
