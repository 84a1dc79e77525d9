"""What one web process knows of the ledger's feeds: path → validators and headers, compared with the ledger again and again.

A feed's `rendered_seq` grows in the transaction that stores its bytes, so comparing those numbers finds every change, in
whatever order owed feeds commit. Called from threads, one comparison at a time.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

import brotli
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from syndication.feeds import naming
from syndication.feeds.formats import FORMATS
from syndication.feeds.opml import Outline, opml_bytes
from syndication.feeds.showing import hubs_of
from syndication.feeds.view import feed_page_url, feed_url, series_url
from syndication.ledger.content import Artifact, Feed, Publication, Series
from syndication.ledger.db import Database
from syndication.ledger.former import FormerSeries, present_slugs
from syndication.web.conditional import SUFFIX, http_date

OPML_PATH = "/feeds.opml"
_CACHE_CONTROL = (b"cache-control", b"public, max-age=0, must-revalidate")  # a publish shows within a second
_VARY = (b"vary", b"accept-encoding")
_AT_A_TIME = 500

Header = tuple[bytes, bytes]


class _Known(NamedTuple):
    id: int
    name: str
    private: bool
    gone: bool
    rendered_seq: int


@dataclass(frozen=True, slots=True)
class Document:
    """One feed in one format as of one ETag: what its headers say. `feed_id` 0 is the OPML list."""

    feed_id: int
    format: str
    etag: str
    last_modified: datetime | None
    fixed: tuple[Header, ...]
    _validators: dict[str, list[Header]] = field(default_factory=dict)

    def said_last_modified(self, now: datetime) -> datetime | None:
        """It may lie a second or more ahead after quick changes: not said before it has come."""
        return self.last_modified if self.last_modified is not None and self.last_modified <= now else None

    def validators(self, encoding: str, now: datetime) -> list[Header]:
        """The headers of a 304."""
        made = self._validators.get(encoding)
        if made is None:
            etag = f'"{self.etag}{SUFFIX[encoding]}"'.encode()
            made = [(b"etag", etag), _VARY, _CACHE_CONTROL]
            said = self.said_last_modified(now)
            if said is not None:
                made.append((b"last-modified", http_date(said).encode()))
            if said == self.last_modified:
                self._validators[encoding] = made
        return made

    def headers(self, encoding: str, now: datetime) -> list[Header]:
        """The headers of a 200, all but the length."""
        coded = [(b"content-encoding", encoding.encode())] if encoding else []
        return [*self.fixed, *coded, *self.validators(encoding, now)]


class Shelf:
    """`documents`: path → Document, replaced as a whole by `compare`. `known`: whether the ledger was ever read."""

    def __init__(self, db: Database, base_url: str) -> None:
        self._db = db
        self._base_url = base_url
        self._seen: dict[int, _Known] = {}
        self._standing: tuple[int | None, ...] = ()
        self._opml: dict[str, bytes] = {}
        self._names: dict[str, bool] = {}  # public feed → whether it is gone
        self._slugs: dict[str, str] = {}  # former slug of a series → its present one
        self.documents: dict[str, Document] = {}
        self.known = False

    def is_gone(self, path: str) -> bool:
        return self._names.get(self._name(path), False)

    def is_owed(self, path: str) -> bool:
        """It is there, and its bytes are not yet."""
        return self._names.get(self._name(path)) is False

    def moved(self, path: str) -> str:
        """The address of a feed that had this path before a series in it was renamed; empty where no feed had it."""
        name = naming.parsed(self._name(path))
        if name is None or not self._slugs.keys() & set(name.parts):
            return ""
        return feed_url(self._base_url, str(naming.with_slugs(name, self._slugs)), path.rpartition(".")[2])

    def _name(self, path: str) -> str:
        name, _, ext = path.removeprefix("/feeds/").rpartition(".")
        return name if ext in FORMATS else ""

    def compare(self) -> set[str]:
        """Reads what changed since the last time; the paths whose bytes are others now. Raises SQLAlchemyError."""
        with self._db.reading() as session:
            standing = _standing(session)
            if self.known and standing == self._standing:
                return set()
            query = select(Feed.id, Feed.name, Feed.private, Feed.gone, Feed.rendered_seq).order_by(Feed.id)
            rows = [_Known(*row) for row in session.execute(query)]
            shown = {row.id: row for row in rows if not row.private and not row.gone}
            fresh = [row for row in shown.values() if self._seen.get(row.id) != row]
            names = {row.name for row in shown.values()}
            documents = {
                path: doc for path, doc in self.documents.items() if doc.feed_id in shown and self._name(path) in names
            }
            for start in range(0, len(fresh), _AT_A_TIME):
                documents.update(self._heads(session, fresh[start : start + _AT_A_TIME]))
            slugs = present_slugs(session)
            opml, self._opml = self._opml_list(session, [row.name for row in shown.values()])
            if opml is not None:
                documents[OPML_PATH] = opml
        before, self.documents, self._standing = self.documents, documents, standing
        self._seen = {row.id: row for row in rows}
        self._slugs = slugs
        self._names = {row.name: row.gone for row in rows if not row.private}
        self.known = True
        return {path for path, doc in before.items() if path not in documents or documents[path].etag != doc.etag}

    def read(self, path: str, encoding: str) -> tuple[Document, bytes] | None:
        """The bytes (`br` or `gzip`) of a path and the document they belong to, as the ledger has them now."""
        document = self.documents.get(path)
        if document is None:
            return None
        if document.feed_id == 0:
            return document, self._opml[encoding]
        column = Artifact.brotli if encoding == "br" else Artifact.gzip
        with self._db.reading() as session:
            row = session.execute(
                select(Artifact.etag, Artifact.last_modified, column.label("data")).where(
                    Artifact.feed_id == document.feed_id, Artifact.format == document.format
                )
            ).one_or_none()
        if row is None:
            return None
        if row.etag != document.etag:  # stored since the last comparison: its headers go with its bytes
            before, document = (
                document,
                replace(document, etag=row.etag, last_modified=row.last_modified, _validators={}),
            )
            if self.documents.get(path) is before:  # else a comparison has gone past meanwhile
                self.documents[path] = document
        return document, row.data

    def _heads(self, session: Session, feeds: list[_Known]) -> dict[str, Document]:
        names = {row.id: row.name for row in feeds}
        found = session.execute(
            select(Artifact.feed_id, Artifact.format, Artifact.etag, Artifact.last_modified).where(
                Artifact.feed_id.in_(names)
            )
        )
        publication = session.scalars(select(Publication).limit(1)).first()
        hubs = hubs_of(publication, self._base_url) if publication else ()
        heads = {}
        for feed_id, fmt, etag, last_modified in found:
            address = feed_url(self._base_url, names[feed_id], fmt)
            fixed = _fixed(FORMATS[fmt].media_type, address, hubs)
            heads[f"/feeds/{names[feed_id]}.{fmt}"] = Document(feed_id, fmt, etag, last_modified, fixed)
        return heads

    def _opml_list(self, session: Session, names: list[str]) -> tuple[Document | None, dict[str, bytes]]:
        publication = session.scalars(select(Publication).limit(1)).first()
        if publication is None:
            return None, {}
        series = session.execute(select(Series.slug, Series.title, Series.created_at).order_by(Series.title)).all()
        base, known = self._base_url, set(names)
        outlines = [Outline(publication.name, feed_url(base, "all", "atom"), f"{base}/")] if "all" in names else []
        outlines += [
            Outline(f"{publication.name}: {s.title}", feed_url(base, s.slug, "atom"), series_url(base, s.slug))
            for s in series
            if s.slug in known
        ]
        own = select(Feed.name, Feed.title).where(Feed.kind == "named").order_by(Feed.title, Feed.name)
        outlines += [
            Outline(title, feed_url(base, name, "atom"), feed_page_url(base, name))
            for name, title in session.execute(own)
            if name in known
        ]
        created = max((publication.created_at, *(s.created_at for s in series)))
        body = opml_bytes(publication.name, created, tuple(outlines))
        fixed = _fixed("text/x-opml", f"{base}{OPML_PATH}")
        # No date: a feed that leaves the list leaves none behind, and who knows only dates would not hear of it.
        document = Document(0, "opml", hashlib.sha256(body).hexdigest()[:32], None, fixed)
        before = self.documents.get(OPML_PATH)
        if before is not None and before.etag == document.etag:
            return document, self._opml
        return document, {"gzip": gzip.compress(body, mtime=0), "br": brotli.compress(body)}


def _standing(session: Session) -> tuple[int | None, ...]:
    """Sums that a change of any feed changes, since `rendered_seq` only grows and a name changes with the slug of a series
    alone: with ten thousand feeds a look costs what the database needs to add them up."""
    private, gone = (func.sum(case((flag, Feed.id), else_=0)) for flag in (Feed.private, Feed.gone))
    renamed = select(func.max(FormerSeries.id)).scalar_subquery()
    sums = (func.count(), func.sum(Feed.id), func.sum(Feed.rendered_seq), private, gone, renamed)
    return tuple(session.execute(select(*sums)).one())


def _fixed(media_type: str, address: str, hubs: tuple[str, ...] = ()) -> tuple[Header, ...]:
    links = [f'<{address}>; rel="self"; type="{media_type}"', *(f'<{hub}>; rel="hub"' for hub in hubs)]
    return (
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"link", ", ".join(links).encode()),
        (b"access-control-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
    )
