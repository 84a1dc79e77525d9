"""Bring documents into the ledger: one transaction a document; the good ones go in, each bad one is reported.

Identity: an explicit `id`, else the path relative to publication.toml, else the hash of the source. A document that moved
keeps its entry by its hash; one that moved *and* changed is a new entry, with a warning, unless `as_identity` names the old.
A changed source of a published entry waits as a draft until `publish` or `correct`. Importing twice changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.content import EntryDraft
from syndication.errors import BadInput, SyndicationError
from syndication.intake.forms import FORMS
from syndication.intake.imprint import keep_publication, keep_series
from syndication.intake.reading import Folder, draft_of
from syndication.intake.tree import PUBLICATION, SERIES, tree_of
from syndication.ledger.content import Draft, Entry, Media, Notice, Publication, Revision, Series
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.lookup import entry_named, series_named, the_publication
from syndication.publishing import mint_tag, schedule
from syndication.settings import Settings

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """`act`: created, changed (an unpublished draft), waiting (a published entry's next text) or unchanged."""

    entry_id: int
    act: str
    series: str
    slug: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that was not taken: `source` with its line, why, and what to do."""

    source: str
    reason: str
    remedy: str


@dataclass
class ImportReport:
    entries: list[Imported] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def acts(self, act: str) -> list[Imported]:
        return [e for e in self.entries if e.act == act]

    @property
    def created(self) -> list[Imported]:
        return self.acts("created")

    @property
    def changed(self) -> list[Imported]:
        return self.acts("changed") + self.acts("waiting")

    @property
    def unchanged(self) -> list[Imported]:
        return self.acts("unchanged")

    def fail(self, error: SyndicationError, source: str) -> None:
        self.failures.append(Failure(error.where or source, error.what.rstrip(";"), error.remedy))


def import_paths(
    db: Database,
    paths: Sequence[Path],
    *,
    settings: Settings,
    series: str | None = None,
    as_identity: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Trees, folders of a tree and single files. `series` is where a lone file goes, else the publication's default.

    Never raises for a document: see `ImportReport.failures`. Raises for what stops everything (no publication at all).
    """
    report = ImportReport()
    documents: list[tuple[Path, Path | None]] = []
    for path in paths:
        path = path.absolute()
        root = tree_of(path)
        if not path.exists():
            report.failures.append(Failure(str(path), "there is no such file or folder", "check the path."))
        elif path.is_dir() and root is None:
            report.failures.append(
                Failure(str(path), f"the folder has no {PUBLICATION}", "write one, or name the files.")
            )
        elif path.is_dir() and root is not None:
            documents += [(d, root) for d in _tree(db, root, path, report)]
        elif root is not None and path.parent != root and path.name not in (PUBLICATION, SERIES):
            documents += [(path, root)] if _tree(db, root, path.parent, report) else []
        else:
            documents.append((path, None))
    for number, (document, root) in enumerate(documents, 1):
        source = str(document.relative_to(root)) if root else document.name
        try:
            report.entries.append(_document(db, document, root, source, series, as_identity, settings, report))
        except SyndicationError as error:
            report.fail(error, source)
        except OSError as error:
            report.failures.append(Failure(source, f"the file cannot be read: {error.strerror}", "check its rights."))
        if progress:
            progress(number, len(documents))
    return report


def _tree(db: Database, root: Path, wanted: Path, report: ImportReport) -> list[Path]:
    """Keeps the publication and its series; gives the documents under `wanted`, in a fixed order."""
    try:
        with db.transaction() as session:
            keep_publication(session, root / PUBLICATION)
    except SyndicationError as error:
        report.fail(error, PUBLICATION)
        return []
    documents: list[Path] = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in FORMS)
        if not found and not (folder / SERIES).exists():
            continue
        try:
            with db.transaction() as session:
                keep_series(session, folder)
        except SyndicationError as error:
            report.fail(error, f"{folder.name}/{SERIES}")
            continue
        documents += [p for p in found if p.is_relative_to(wanted)]
    return documents


def _document(
    db: Database,
    path: Path,
    root: Path | None,
    source: str,
    series: str | None,
    as_identity: str | None,
    settings: Settings,
    report: ImportReport,
) -> Imported:
    if not path.resolve().is_relative_to((root or path.parent).resolve()):
        raise BadInput(
            "the document is a link that leaves the tree;", where=source, remedy="copy the file into the tree."
        )
    with db.reading() as session:
        publication = the_publication(session)
        known = list(session.scalars(select(Notice.text).where(Notice.publication_id == publication.id)))
    folder = Folder(
        root=root or path.parent, publication=publication.name, address=publication.url, language=publication.language,
        timezone=publication.timezone, notices=tuple(known),
    )  # fmt: skip
    draft = draft_of(path, source, folder, settings, in_tree=root is not None)
    report.warnings += [(source, words) for words in draft.warnings]
    slug = path.parent.name if root else (series or draft.series or publication.default_series)
    if not slug:
        raise BadInput("it is not said which series this belongs to;", where=source, remedy="add --series SLUG.")
    with db.transaction() as session:
        return _keep(session, draft, series_named(session, slug), root is not None, as_identity, report)


def _keep(
    session: Session, draft: EntryDraft, series: Series, in_tree: bool, as_identity: str | None, report: ImportReport
) -> Imported:
    publication = session.get_one(Publication, series.publication_id)
    identity = (
        f"id:{draft.identity}" if draft.identity else f"path:{draft.source}" if in_tree else f"hash:{draft.source_hash}"
    )
    entry = entry_named(session, as_identity) if as_identity else _known(session, publication, identity, draft, report)
    act = "unchanged"
    if entry is None:
        _free(session, series, draft)
        entry = Entry(
            publication_id=publication.id, series_id=series.id, identity=identity, slug=draft.slug, part=draft.part,
            tag_uri=_new_tag(session, publication, identity), created_at=clock.now(),
        )  # fmt: skip
        session.add(entry)
        session.flush()
        act = "created"
    elif not draft.identity and not as_identity:
        entry.identity = identity  # the document moved
    waiting = session.get(Draft, entry.id)
    current = waiting or entry.revision
    if current is None or current.source_hash != draft.source_hash:
        if waiting is not None and entry.revision is not None and entry.revision.source_hash == draft.source_hash:
            session.delete(waiting)  # back to what is published
            act = "changed"
        else:
            _redraft(session, entry, waiting, draft)
            act = act if act == "created" else "waiting" if entry.revision is not None else "changed"
    if entry.state in ("draft", "scheduled"):
        if (entry.slug, entry.series_id) != (draft.slug, series.id):
            _free(session, series, draft)
            entry.slug, entry.series_id = draft.slug, series.id
        entry.part = draft.part
        if draft.publish_at is not None and draft.publish_at != entry.scheduled_at:
            if draft.publish_at > ledger_now(session):
                schedule(session, entry, draft.publish_at)
            else:
                report.warnings.append(
                    (draft.source, "publish_at has passed; it waits as a draft for `syndicate publish`")
                )
    session.flush()
    return Imported(entry.id, act, series.slug, entry.slug, draft.content.title, draft.source)


def _known(
    session: Session, publication: Publication, identity: str, draft: EntryDraft, report: ImportReport
) -> Entry | None:
    mine = select(Entry).where(Entry.publication_id == publication.id)
    entry = session.scalars(mine.where(Entry.identity == identity)).first()
    if entry is not None or draft.identity:
        return entry
    moved = session.scalars(
        mine.join(Draft, Draft.entry_id == Entry.id, isouter=True)
        .join(Revision, Revision.id == Entry.revision_id, isouter=True)
        .where(or_(Draft.source_hash == draft.source_hash, Revision.source_hash == draft.source_hash))
        .where(Entry.identity.not_like("id:%"))
        .limit(1)
    ).first()
    if moved is not None:
        return moved
    same_title = mine.join(Revision, Revision.id == Entry.revision_id).where(Revision.title == draft.content.title)
    twin = session.scalars(same_title).first()
    if twin is not None:
        report.warnings.append(
            (
                draft.source,
                f"taken for a new entry; if it is {twin.slug} moved and changed, import it with --as {twin.id}",
            )
        )
    return None


def _free(session: Session, series: Series, draft: EntryDraft) -> None:
    taken = session.scalars(select(Entry).where(Entry.series_id == series.id, Entry.slug == draft.slug)).first()
    if taken is not None:
        raise BadInput(
            f"the slug {draft.slug!r} of series {series.slug} belongs to another entry ({taken.identity});",
            where=draft.source,
            remedy=f"give it a `slug` of its own, or import it with --as {taken.id} if it is that entry.",
        )


def _redraft(session: Session, entry: Entry, waiting: Draft | None, draft: EntryDraft) -> None:
    if waiting is None:
        waiting = Draft(entry_id=entry.id)
        session.add(waiting)
    waiting.content = draft.content.model_dump(mode="json")
    waiting.published_at = draft.published_at
    waiting.source = draft.source
    waiting.source_hash = draft.source_hash
    waiting.imported_at = clock.now()
    for file in draft.media:
        if session.get(Media, file.sha256) is None:
            session.add(
                Media(
                    sha256=file.sha256,
                    ext=file.ext,
                    width=file.width,
                    height=file.height,
                    data=file.data,
                    created_at=datetime.now(UTC),
                )
            )


def _new_tag(session: Session, publication: Publication, identity: str) -> str:
    """The same document makes the same id in another ledger; a number follows where that id lives on elsewhere."""
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    for number in range(100):
        tag = mint_tag(publication, f"entry:{name}" + (f":{number}" if number else ""))
        if session.scalars(select(Entry.id).where(Entry.tag_uri == tag)).first() is None:
            return tag
    raise BadInput(f"{identity} was imported and renamed a hundred times;", remedy="give the document an `id`.")
