"""Bring documents into the ledger: one transaction a document; the good ones go in, each bad one is reported.

What a document is (its identity) and what becomes of its text: see `keeping`. A changed source of a published entry waits as
a draft until `publish` or `correct`. Importing twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.content import EntryDraft
from syndication.errors import BadInput, SyndicationError
from syndication.intake.finding import look, say_what_is_gone, stays_inside
from syndication.intake.keeping import Keeping, keep
from syndication.intake.once_more import once_more
from syndication.intake.reading import Folder, draft_of
from syndication.intake.report import Failure, Imported, ImportReport
from syndication.ledger.content import Notice
from syndication.ledger.db import Database
from syndication.ledger.lookup import series_named, the_publication
from syndication.settings import Settings

log = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]


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
    places = [look(db, path.absolute(), report) for path in paths]
    documents = [document for place in places for document in place.documents]
    if as_identity and len(documents) > 1:
        raise BadInput(
            f"{len(documents)} documents cannot all be entry {as_identity};", where="--as", remedy="name one file."
        )
    run = _Run(db, settings, series, as_identity, report)
    for number, (document, root) in enumerate(documents, 1):
        source = document.relative_to(root).as_posix() if root else document.name
        try:
            run.take(document, root, source)
        except SyndicationError as error:
            report.fail(error, source)
        except OSError as error:
            report.failures.append(Failure(source, f"the file cannot be read: {error.strerror}", "check its rights."))
        if progress:
            progress(number, len(documents))
    for place in places:
        say_what_is_gone(db, place, report)
    return report


@dataclass
class _Run:
    """One import. `taken`: entry id → the document that it was kept from."""

    db: Database
    settings: Settings
    series: str | None
    as_identity: str | None
    report: ImportReport
    taken: dict[int, str] = field(default_factory=dict)

    def take(self, path: Path, root: Path | None, source: str) -> None:
        """Reads one document and keeps it. Raises SyndicationError or OSError, and then nothing of it is kept."""
        stays_inside(path, root or path.parent, source)
        with self.db.reading() as session:
            publication = the_publication(session)
            known = list(session.scalars(select(Notice.text).where(Notice.publication_id == publication.id)))
        folder = Folder(
            root=root or path.parent, publication=publication.name, slug=publication.slug, address=publication.url,
            language=publication.language, timezone=publication.timezone, notices=tuple(known),
            also_known_as=tuple(publication.also_known_as),
        )  # fmt: skip
        draft = _read(path, source, folder, self.settings, in_tree=root is not None)
        folder_name = source.split("/")[0] if root is not None and path.parent != root else None
        said = self.series or draft.series
        slug = folder_name or said or publication.default_series
        if not slug:
            raise BadInput("it is not said which series this belongs to;", where=source, remedy="add --series SLUG.")
        if folder_name and said and said != folder_name:
            self.report.warn(source, f"it lies in the folder of {folder_name} and goes there, not into {said}")
        work: Keeping | None = None

        def do(session: Session) -> Imported:
            nonlocal work
            work = Keeping(session, draft, series_named(session, slug), root, self.as_identity, self.taken)
            return keep(work)

        imported = once_more(self.db, do)
        self.taken[imported.entry_id] = source
        self.report.entries.append(imported)
        self.report.warn(source, *draft.warnings, *(work.warnings if work else ()))


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
