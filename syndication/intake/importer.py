"""Bring documents into the ledger: one transaction a document; the good ones go in, each bad one is reported.

What a document is (its identity) and what becomes of its text: see `keeping`. A changed source of a published entry waits as
a draft until `publish` or `correct`. Importing twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from syndication.content import EntryDraft
from syndication.errors import BadInput, SyndicationError
from syndication.intake.forms import FORMS
from syndication.intake.imprint import keep_publication, keep_series
from syndication.intake.keeping import Imported, Keeping, keep
from syndication.intake.reading import Folder, draft_of
from syndication.intake.tree import PUBLICATION, SERIES, tree_of
from syndication.ledger.content import Notice
from syndication.ledger.db import Database
from syndication.ledger.lookup import series_named, the_publication
from syndication.settings import Settings

log = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]
_NOT_READ = frozenset({".doc", ".docx", ".odt", ".rtf", ".pdf", ".rst", ".org", ".tex", ".xml", ".xhtml", ".epub"})
_LINE = re.compile(r"(?:, line |\(at line )(\d+)")


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that was not taken: where it is (`line` is None where no line can be blamed), why, and what to do."""

    source: str
    reason: str
    remedy: str
    line: int | None = None


@dataclass
class ImportReport:
    """What an import did. `warnings` are (source, sentence)."""

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
        where, reason = error.where or source, error.what.rstrip(";")
        line = _LINE.search(where) or _LINE.search(reason)
        self.failures.append(Failure(where, reason, error.remedy, int(line[1]) if line else None))


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

    Never raises for a document: see `ImportReport.failures`. Raises for what stops everything: no ledger, or `as_identity`
    (BadInput) for more than one document.
    """
    report = ImportReport()
    documents: list[tuple[Path, Path | None]] = []
    for path in paths:
        documents += _documents(db, path.absolute(), report)
    if as_identity and len(documents) > 1:
        raise BadInput(
            f"{len(documents)} documents cannot all be entry {as_identity};", where="--as", remedy="name one file."
        )
    for number, (document, root) in enumerate(documents, 1):
        source = document.relative_to(root).as_posix() if root else document.name
        try:
            report.entries.append(_document(db, document, root, source, series, as_identity, settings, report))
        except SyndicationError as error:
            report.fail(error, source)
        except OSError as error:
            report.failures.append(Failure(source, f"the file cannot be read: {error.strerror}", "check its rights."))
        except IntegrityError:
            report.failures.append(Failure(source, "another import took its place at the same moment", "import again."))
        if progress:
            progress(number, len(documents))
    return report


def _documents(db: Database, path: Path, report: ImportReport) -> list[tuple[Path, Path | None]]:
    """The documents that `path` names, each with the tree it lies in (None: a lone file)."""
    if path.name == PUBLICATION and path.is_file():
        path = path.parent
    root = tree_of(path)
    if not path.exists():
        report.failures.append(Failure(str(path), "there is no such file or folder", "check the path."))
        return []
    if path.is_dir() and root is None:
        report.failures.append(Failure(str(path), f"the folder has no {PUBLICATION}", "write one, or name the files."))
        return []
    if root is None:
        return [(path, None)]
    try:
        found = _tree(db, root, path if path.is_dir() else path.parent, report)
    except OSError as error:
        report.failures.append(Failure(str(path), f"the folder cannot be read: {error.strerror}", "check its rights."))
        return []
    if path.is_dir():
        return [(document, root) for document in found or ()]
    return [(path, root)] if found is not None and path.name != SERIES else []


def _tree(db: Database, root: Path, wanted: Path, report: ImportReport) -> list[Path] | None:
    """Keeps the publication and the series of `wanted`; gives the documents there, in a fixed order. None: not even that."""
    try:
        with db.transaction() as session:
            keep_publication(session, root / PUBLICATION)
    except SyndicationError as error:
        report.fail(error, PUBLICATION)
        return None
    documents: list[Path] = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if not (wanted == root or wanted.is_relative_to(folder)):
            continue
        files = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        found = [p for p in files if p.suffix.lower() in FORMS]
        if not found and not (folder / SERIES).exists():
            continue
        try:
            _stays_inside(folder, root, f"{folder.name}/")
            with db.transaction() as session:
                keep_series(session, folder)
        except SyndicationError as error:
            report.fail(error, f"{folder.name}/{SERIES}")
            if wanted != root:
                return None
            continue
        documents += found
        report.warnings += [
            (p.relative_to(root).as_posix(), f"documents of the kind {p.suffix} are not read")
            for p in files
            if p.suffix.lower() in _NOT_READ
        ]
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
    _stays_inside(path, root or path.parent, source)
    with db.reading() as session:
        publication = the_publication(session)
        known = list(session.scalars(select(Notice.text).where(Notice.publication_id == publication.id)))
    folder = Folder(
        root=root or path.parent, publication=publication.name, slug=publication.slug, address=publication.url,
        language=publication.language, timezone=publication.timezone, notices=tuple(known),
    )  # fmt: skip
    draft = _read(path, source, folder, settings, in_tree=root is not None)
    in_series = root is not None and path.parent != root
    slug = source.split("/")[0] if in_series else (series or draft.series or publication.default_series)
    if not slug:
        raise BadInput("it is not said which series this belongs to;", where=source, remedy="add --series SLUG.")
    with db.transaction() as session:
        work = Keeping(session, draft, series_named(session, slug), root, as_identity)
        imported = keep(work)
    report.warnings += [(source, words) for words in (*draft.warnings, *work.warnings)]
    return imported


def _stays_inside(path: Path, root: Path, source: str) -> None:
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except RuntimeError:  # links in a ring, up to Python 3.12
        inside = False
    if not inside:
        raise BadInput("this is a link that leaves the tree;", where=source, remedy="copy what it names into the tree.")


def _read(path: Path, source: str, folder: Folder, settings: Settings, *, in_tree: bool) -> EntryDraft:
    try:
        return draft_of(path, source, folder, settings, in_tree=in_tree)
    except (SyndicationError, OSError):
        raise
    except Exception as error:  # documents come from anywhere and may trip a parser: the others must still go in
        log.warning("a document could not be read", source=source, exc_info=True)
        raise BadInput(
            f"the document cannot be read ({type(error).__name__}: {str(error)[:200]});",
            where=source,
            remedy="make it simpler, or report it together with the document.",
        ) from error
