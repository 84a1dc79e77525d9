"""What an entry says: the plain records that travel from intake through the ledger to every rendering. Pure.

`EntryContent` is stored as JSON in a draft or a revision and never changes once published. Body HTML is sanitised
before it gets here; images are referred to as `media:<sha256>.<ext>` and are made absolute by the renderings.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Author(Record):
    name: str
    url: str | None = None


class Related(Record):
    """One item of "For more on this topic please see:"; `url` may be missing where the document gave a title only."""

    title: str
    url: str | None = None


class Image(Record):
    """An image of an entry. `sha256` is the hex digest of the bytes, `ext` one of png, jpg, gif, webp."""

    sha256: str
    ext: str
    width: int
    height: int
    alt: str
    credit: str = ""
    caption: str = ""

    @property
    def name(self) -> str:
        return f"{self.sha256}.{self.ext}"


class Attachment(Record):
    """Sound, a film or a PDF that goes out with an entry. `ext` is one of mp3, m4a, ogg, mp4, webm, pdf; `length` in bytes."""

    sha256: str
    ext: str
    length: int
    title: str

    @property
    def name(self) -> str:
        return f"{self.sha256}.{self.ext}"


class EntryContent(Record):
    """Everything a reader may see of an entry. `language` None means the publication's."""

    title: str
    standfirst: str = ""
    body_html: str
    language: str | None = None
    authors: tuple[Author, ...] = ()
    related: tuple[Related, ...] = ()
    topics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # "The author advises …": plain text beside the standard notice, never instead of it
    canonical_url: str | None = None
    licence_url: str | None = None
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @property
    def media(self) -> set[str]:
        """The hashes of the files that it shows."""
        return {one.sha256 for one in self.images} | {one.sha256 for one in self.attachments}


class PublishedNotice(Record):
    """One version of the disclaimer in one language. `text` is plain, one line, what the gate counts; `html` is one
    `<p>` that says the same with its links. Made by `feeds.disclaimers.render_notice`, kept in the ledger."""

    id: int
    language: str
    version: int
    text: str
    html: str


class MediaFile(Record):
    """Bytes of an image or an attachment that came along with a document, checked and hashed; no size on a screen: 0 and 0."""

    sha256: str
    ext: str
    width: int
    height: int
    data: bytes = Field(repr=False)


class EntryDraft(Record):
    """One document, read. Made by `intake`, stored by `intake.importer`.

    `identity` is an explicit `id` of the document or None (the importer then takes the path, else the source hash);
    `source` names the file for people; `published_at` is the date a backfill carries; `publish_at` schedules;
    `warnings` are sentences for the person who imports.
    """

    source: str
    source_hash: str
    identity: str | None = None
    series: str | None = None
    slug: str
    says_slug: bool = False  # the document itself does, not only its file's name
    part: int | None = None
    published_at: datetime | None = None
    publish_at: datetime | None = None
    content: EntryContent
    media: tuple[MediaFile, ...] = Field(default=(), repr=False)
    warnings: tuple[str, ...] = ()
