"""Sound, films and PDFs that go out with an entry: named in its front matter, kept by their hash, linked after its text.

Feeds carry them as enclosures. What a file is, its bytes say. A path may not leave the tree.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syndication.content import Attachment, MediaFile
from syndication.errors import BadInput
from syndication.intake.files import inside, read_file
from syndication.intake.front import Attached

WHAT = "attachment"


@dataclass
class Attachments:
    """`links` is a list to stand after the text, or nothing."""

    attachments: list[Attachment] = field(default_factory=list)
    files: dict[str, MediaFile] = field(default_factory=dict)
    links: str = ""


def attach(named: Sequence[Attached], folder: Path, root: Path, source: str, *, max_bytes: int) -> Attachments:
    """`folder` is where relative paths start, `root` what they may not leave. Raises BadInput naming the file."""
    found = Attachments()
    for one in named:
        where = f"{source}, attachment {one.file[:80]}"
        data = read_file(inside(one.file, folder, root, source, WHAT), where, max_bytes, WHAT)
        ext = kind_of(data)
        if ext is None:
            raise BadInput(
                "this is none of the files that feeds carry, or a broken one;",
                where=where,
                remedy="use MP3, M4A, Ogg, MP4, WebM or PDF.",
            )
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in found.files:
            continue
        found.files[sha256] = MediaFile(sha256=sha256, ext=ext, width=0, height=0, data=data)
        title = one.title or Path(one.file).name
        found.attachments.append(Attachment(sha256=sha256, ext=ext, length=len(data), title=title))
    if found.attachments:
        found.links = f"<ul>{''.join(map(_link, found.attachments))}</ul>"
    return found


def kind_of(data: bytes) -> str | None:
    """The extension that fits the bytes."""
    if data[4:8] == b"ftyp":
        return "m4a" if data[8:11] in (b"M4A", b"M4B") else "mp4"
    if data[:2] in (
        b"\xff\xfb",
        b"\xff\xfa",
        b"\xff\xf3",
        b"\xff\xf2",
        b"\xff\xe3",
        b"\xff\xe2",
    ):  # MPEG 1, 2, 2.5, layer III
        return "mp3"
    signs = {b"ID3": "mp3", b"OggS": "ogg", b"\x1a\x45\xdf\xa3": "webm", b"%PDF-": "pdf"}
    return next((ext for sign, ext in signs.items() if data.startswith(sign)), None)


def _link(one: Attachment) -> str:
    size = f"{one.length / 1_000_000:.1f} MB" if one.length >= 1_000_000 else f"{max(1, one.length // 1_000)} kB"
    return f'<li><a href="media:{one.name}">{html.escape(one.title)}</a> ({one.ext.upper()}, {size})</li>'
