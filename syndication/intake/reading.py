"""One file to an `EntryDraft`: decode, read its form, take the marks and the notice out, gather images, sanitise."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from syndication.content import EntryContent, EntryDraft
from syndication.dates import in_zone
from syndication.errors import BadInput
from syndication.feeds.naming import slugified
from syndication.intake.attachments import attach
from syndication.intake.blocks import Structured, structured
from syndication.intake.decode import check_size, decode, without_open_bidi
from syndication.intake.document import Read
from syndication.intake.embeds import without_embeds
from syndication.intake.forms import FORMS
from syndication.intake.front import Front
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
    also_known_as: tuple[str, ...] = ()


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
    declares = path.suffix.lower() in (".html", ".htm")
    text, warnings = decode(data, source, max_bytes=settings.document_max_bytes, declares=declares)
    read = form(text, source)
    front = read.front
    if not front.title:
        raise BadInput("the document has no title;", where=f"{source}, line 1", remedy="give it one.")
    body = _body(read, folder, source)
    base = front.canonical_url or folder.address
    body_html, reduced = without_embeds(body.body_html, base, source)
    gathered = gather(
        body_html, path.parent, folder.root, source,
        max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels,
    )  # fmt: skip
    attached = attach(front.attachments, path.parent, folder.root, source, max_bytes=settings.attachment_max_bytes)
    number, name = numbered(path.stem) if in_tree else (None, path.stem)
    published_at, publish_at = _moments(front, folder, source)
    content = EntryContent(
        title=without_open_bidi(front.title),
        standfirst=without_open_bidi(body.standfirst or front.standfirst),
        body_html=sanitised(gathered.body_html + attached.links, base),
        language=_other_language(front.language, folder.language),
        authors=front.authors,
        related=tuple(
            one.model_copy(update={"title": without_open_bidi(one.title)}) for one in front.related or body.related
        ),
        topics=front.topics,
        notes=front.notes,
        canonical_url=front.canonical_url,
        licence_url=front.licence_url,
        images=tuple(gathered.images),
        attachments=tuple(attached.attachments),
    )
    return EntryDraft(
        source=source,
        source_hash=hashlib.sha256(
            data + "".join(sorted(gathered.originals | attached.files.keys())).encode()
        ).hexdigest(),
        identity=front.id,
        series=front.series,
        slug=slugified(front.slug or (name if in_tree else front.title), front.language or folder.language)
        or _handle(source if in_tree else front.title),
        says_slug=bool(front.slug),
        part=front.part if front.part is not None else number,
        published_at=published_at,
        publish_at=publish_at,
        content=content,
        media=tuple((gathered.files | attached.files).values()),
        warnings=(*warnings, *body.warnings, *reduced, *gathered.warnings),
    )


def _body(read: Read, folder: Folder, source: str) -> Structured:
    """The marks and the notice taken out. Raises BadInput for a notice where none may be, or where no text is left."""
    front = read.front
    own = Own(folder.publication, folder.notices, (folder.slug, *folder.also_known_as))
    body = structured(read.blocks, own, source)
    said = (("the title", front.title), ("the standfirst", front.standfirst), *(("a note", n) for n in front.notes))
    refuse_inside([(f"{what} of the front matter", words) for what, words in said], own, source)
    if not body.body_html.strip():
        raise BadInput("the document has no text after its title;", where=source, remedy="write one, or take it away.")
    warnings = [*read.warnings, *body.warnings]
    if front.related and body.related:
        warnings.append("the related reading of the front matter was taken, the list in the text was left out")
    if front.standfirst and body.standfirst and front.standfirst != body.standfirst:
        warnings.append("the standfirst in the text was taken, the one of the front matter was left out")
    return replace(body, warnings=tuple(warnings))


def numbered(stem: str) -> tuple[int | None, str]:
    """(part, name) of a file name that begins with its part's number: `03-the-ferry` and `03 the ferry` are part 3, `10 ways`
    is a title. 0 is no part."""
    found = re.fullmatch(r"(\d{1,3})(?:\s*[-_.]\s*|(?<=^0\d)\s+)(\S.*)", stem)
    return (int(found[1]) or None, found[2]) if found else (None, stem)


def _handle(text: str) -> str:
    """What stands for a name that has no letters."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()[:12]


def _other_language(tag: str | None, own: str) -> str | None:
    return None if tag is None or tag.casefold() == own.casefold() else tag


def _moments(front: Front, folder: Folder, source: str) -> tuple[datetime | None, datetime | None]:
    """`published` and `publish_at` in UTC."""
    found: list[datetime | None] = []
    for name, moment in (("published", front.published), ("publish_at", front.publish_at)):
        try:
            found.append(in_zone(moment, folder.timezone) if moment else None)
        except ValueError as error:
            raise BadInput(f"{name}: {error};", where=source, remedy="correct it.") from error
    return found[0], found[1]
