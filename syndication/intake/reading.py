"""One file to an `EntryDraft`: decode, read its form, take the marks and the notice out, gather images, sanitise."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from syndication.content import EntryContent, EntryDraft
from syndication.errors import BadInput
from syndication.intake.blocks import structured
from syndication.intake.decode import check_size, decode
from syndication.intake.forms import FORMS
from syndication.intake.front import in_zone
from syndication.intake.images import gather
from syndication.intake.notices import Own, refuse_inside
from syndication.intake.sanitise import sanitised
from syndication.settings import Settings


@dataclass(frozen=True, slots=True)
class Folder:
    """Where documents lie and whose they are. `notices` are the texts of all versions of the publication's notice."""

    root: Path
    publication: str
    slug: str
    address: str
    language: str
    timezone: str
    notices: tuple[str, ...]


def draft_of(path: Path, source: str, folder: Folder, settings: Settings, *, in_tree: bool) -> EntryDraft:
    """Raises BadInput naming file, line, reason and remedy. `in_tree`: the file's name is the slug, else the title is."""
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise BadInput(
            f"documents of the kind {path.suffix or 'without suffix'} are not taken;",
            where=source,
            remedy=f"use one of {', '.join(FORMS)}.",
        )
    if not path.is_file():
        raise BadInput("this is not a file;", where=source, remedy="name a text, a Markdown or an HTML file.")
    check_size(path.stat().st_size, source, settings.document_max_bytes)
    data = path.read_bytes()
    text, warnings = decode(data, source, max_bytes=settings.document_max_bytes)
    read = form(text, source)
    front = read.front
    if not front.title.strip():
        raise BadInput("the document has no title;", where=f"{source}, line 1", remedy="give it one.")
    own = Own(folder.publication, folder.notices, (folder.slug,))
    body = structured(read.blocks, own, source)
    said = (("the title", front.title), ("the standfirst", front.standfirst), *(("a note", n) for n in front.notes))
    refuse_inside([(f"{what} of the front matter", words) for what, words in said], own, source)
    if not body.body_html.strip():
        raise BadInput("the document has no text after its title;", where=source, remedy="write one, or take it away.")
    gathered = gather(
        body.body_html, path.parent, folder.root, source,
        max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels,
    )  # fmt: skip
    number, name = numbered(path.stem) if in_tree else (None, path.stem)
    content = EntryContent(
        title=front.title.strip(),
        standfirst=front.standfirst.strip() or body.standfirst,
        body_html=sanitised(gathered.body_html, front.canonical_url or folder.address),
        language=None if front.language == folder.language else front.language,
        authors=front.authors,
        related=front.related or body.related,
        topics=front.topics,
        notes=front.notes,
        canonical_url=front.canonical_url,
        licence_url=front.licence_url,
        images=tuple(gathered.images),
    )
    return EntryDraft(
        source=source,
        source_hash=hashlib.sha256(data + "".join(sorted(gathered.files)).encode()).hexdigest(),
        identity=front.id,
        series=front.series,
        slug=slugified(front.slug or (name if in_tree else front.title)) or hashlib.sha256(data).hexdigest()[:12],
        part=front.part if front.part is not None else number,
        published_at=in_zone(front.published, folder.timezone),
        publish_at=in_zone(front.publish_at, folder.timezone),
        content=content,
        media=tuple(gathered.files.values()),
        warnings=(*warnings, *body.warnings, *gathered.warnings),
    )


def slugified(text: str) -> str:
    """Small ASCII letters, digits and hyphens, at most 80; empty where nothing of the text can be said so."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")


def numbered(stem: str) -> tuple[int | None, str]:
    """(part, name) of a file name that begins with its part's number: `03-the-ferry` is part 3. 0 is no part."""
    found = re.fullmatch(r"(\d{1,3})[-_. ]+(\S.*)", stem)
    return (int(found[1]) or None, found[2]) if found else (None, stem)
