"""The documents that a path names: a tree, a folder of one, a lone file. What lies there and is not read is said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import select

from syndication.errors import BadInput, SyndicationError
from syndication.intake.forms import FORMS
from syndication.intake.imprint import keep_publication, keep_series
from syndication.intake.keeping import still_there
from syndication.intake.once_more import once_more
from syndication.intake.report import Failure, ImportReport
from syndication.intake.tree import PUBLICATION, SERIES, tree_of
from syndication.ledger.content import Entry, Series
from syndication.ledger.db import Database

_NOT_READ = frozenset({".doc", ".docx", ".odt", ".rtf", ".pdf", ".rst", ".org", ".tex", ".xml", ".xhtml", ".epub"})
_ABOUT_THE_TREE = frozenset({"readme", "license", "licence", "changelog", "contributing"})

Found = tuple[Path, Path | None]


@dataclass
class Looked:
    """What a path names: `documents`, each with the tree it lies in (None: a lone file), and the series whose folders were
    looked through whole, of the tree `root`."""

    documents: list[Found] = field(default_factory=list)
    root: Path | None = None
    series: list[str] = field(default_factory=list)


def look(db: Database, path: Path, report: ImportReport) -> Looked:
    """Keeps the tree's publication and series on the way."""
    if path.name == PUBLICATION and path.is_file():
        path = path.parent
    root = tree_of(path)
    if not path.exists():
        report.failures.append(Failure(str(path), "there is no such file or folder", "check the path."))
        return Looked()
    if path.is_dir() and root is None:
        report.failures.append(Failure(str(path), f"the folder has no {PUBLICATION}", "write one, or name the files."))
        return Looked()
    if root is None:
        return Looked([(path, None)])
    looked = Looked(root=root)
    try:
        good = _tree(db, looked, root, path if path.is_dir() else path.parent, report, whole=path.is_dir())
    except OSError as error:
        report.failures.append(Failure(str(path), f"the folder cannot be read: {error.strerror}", "check its rights."))
        return Looked()
    if not path.is_dir() and good and path.name != SERIES:
        looked.documents = [(path, root)]
    return looked


def stays_inside(path: Path, root: Path, source: str) -> None:
    """Raises BadInput for a link to somewhere else."""
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except RuntimeError:  # links in a ring, up to Python 3.12
        inside = False
    if not inside:
        raise BadInput("this is a link that leaves the tree;", where=source, remedy="copy what it names into the tree.")


def _tree(db: Database, looked: Looked, root: Path, wanted: Path, report: ImportReport, *, whole: bool) -> bool:
    """Keeps the publication and the series of `wanted`; where it is looked through `whole`, its documents, in a fixed order.
    False: what a file there needs could not be kept."""
    try:
        once_more(db, lambda session: keep_publication(session, root / PUBLICATION))
    except SyndicationError as error:
        report.fail(error, PUBLICATION)
        return False
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if not (wanted == root or wanted.is_relative_to(folder)):
            continue
        files = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        found = [p for p in files if p.suffix.lower() in FORMS]
        if not found and not (folder / SERIES).exists():
            continue
        try:
            stays_inside(folder, root, f"{folder.name}/")
            series = once_more(db, partial(keep_series, folder=folder))
        except SyndicationError as error:
            report.fail(error, f"{folder.name}/{SERIES}")
            if wanted != root:
                return False
            continue
        if series.slug != folder.name:
            report.warn(f"{folder.name}/", f"this series is called {series.slug} now; give the folder that name")
        if whole:
            looked.documents += [(path, root) for path in found]
            looked.series.append(series.slug)
            _say_what_is_not_read(files, root, report)
    if whole and wanted == root:
        _say_what_has_no_series(root, report)
    return True


def _say_what_is_not_read(files: list[Path], root: Path, report: ImportReport) -> None:
    for path in files:
        source = path.relative_to(root).as_posix()
        if path.suffix.lower() in _NOT_READ:
            report.warn(source, f"documents of the kind {path.suffix} are not read")
        elif path.is_dir() and path.suffix.lower() not in FORMS and not path.is_symlink():
            deeper = sum(p.suffix.lower() in FORMS for p in path.iterdir())
            if deeper:
                report.warn(f"{source}/", f"{deeper} documents lie in a folder of a series' folder and are not read")


def _say_what_has_no_series(root: Path, report: ImportReport) -> None:
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in FORMS and path.is_file() and path.stem.lower() not in _ABOUT_THE_TREE:
            report.warn(path.name, "it lies in no series' folder and is not read; name it to import it alone")


def say_what_is_gone(db: Database, looked: Looked, report: ImportReport) -> None:
    """After the documents are kept (one may have moved). Nothing is taken back because its document is gone; but a draft would
    still be published by `publish --all`."""
    published: Counter[str] = Counter()
    if looked.root is None:
        return
    with db.reading() as session:
        rows = session.execute(
            select(Entry.identity, Entry.state, Entry.slug, Series.slug.label("series"))
            .join(Series)
            .where(Series.slug.in_(looked.series), Entry.identity.startswith("path:"), Entry.state != "withdrawn")
            .order_by(Entry.id)
        )
        for row in rows:
            if still_there(row.identity, looked.root):
                continue
            if row.state == "published":
                published[row.series] += 1
            else:
                report.warn(
                    row.identity.removeprefix("path:"),
                    f"this document is gone, its entry {row.series}/{row.slug} is still {row.state}; "
                    "`syndicate discard` takes it away",
                )
    for series, count in published.items():
        report.warn(f"{series}/", f"{count} published entries have no document here any more; they stay published")
