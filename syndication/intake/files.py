"""Files that a document names: found in the tree, never outside of it, not too large."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote, urlsplit

from syndication.errors import BadInput


def inside(address: str, folder: Path, root: Path, source: str, what: str) -> Path:
    """Where a relative address leads: from `folder`, not out of `root`. `what` is named so: image, attachment."""
    try:
        path = (folder / unquote(urlsplit(address).path)).resolve()
    except (ValueError, OSError, RuntimeError) as error:  # NUL in it, too long, links in a ring
        raise BadInput(
            f"{address[:80]!r} is not the path of a file;", where=source, remedy=f"mend the {what}'s path."
        ) from error
    if not path.is_relative_to(root.resolve()):
        raise BadInput(
            f"the {what} {address} lies outside of the tree;", where=source, remedy="copy it beside the document."
        )
    return path


def read_file(path: Path, where: str, max_bytes: int, what: str) -> bytes:
    """Its bytes, if they are not too many."""
    try:
        if not path.is_file():
            path = _written_otherwise(path)
        size = path.stat().st_size
        data = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        near = _near(path)
        raise BadInput(
            f"the {what} cannot be read;",
            where=where,
            remedy=f"did you mean {near}?" if near else "put the file there, or mend the path.",
        ) from error
    if size > max_bytes:
        raise too_large(size, max_bytes, where, what)
    return data


def too_large(size: int, max_bytes: int, where: str, what: str) -> BadInput:
    return BadInput(
        f"the {what} has {size:,} bytes, {max_bytes:,} are allowed;",
        where=where,
        remedy=f"make it smaller, or raise SYNDICATION_{what.upper()}_MAX_BYTES.",
    )


def _written_otherwise(path: Path) -> Path:
    """The file of that name in the other Unicode form: macOS writes ä as two characters. Raises FileNotFoundError."""
    wanted = unicodedata.normalize("NFC", path.name)
    for one in path.parent.iterdir():
        if unicodedata.normalize("NFC", one.name) == wanted and one.is_file():
            return one
    raise FileNotFoundError


def _near(path: Path) -> str:
    try:
        names = {one.name.lower(): one.name for one in path.parent.iterdir() if one.is_file()}
    except OSError:
        return ""
    return next((names[near] for near in get_close_matches(path.name.lower(), names, n=1, cutoff=0.8)), "")
