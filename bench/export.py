"""`syndicate export` of a whole publication, and again after one publish: what it touches does not grow with the archive.

A ledger of 100,000 entries in two series is exported; then one entry is published, and the oldest corrected, each followed by
an export of what changed. `--small` takes 1,000 entries.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.publish import BASE, BODY, ledger
from bench.record import flags, record
from syndication import clock, publishing
from syndication.content import EntryContent
from syndication.ledger.content import Draft
from syndication.settings import Settings
from syndication.tree.export import Exported, export
from syndication.wiring import Wiring


def timed(wiring: Wiring, root: Path) -> tuple[float, Exported]:
    """Seconds of an export, and what it did."""
    began = time.perf_counter()
    done = export(wiring, root)
    return time.perf_counter() - began, done


def main() -> None:
    small = flags(__doc__, small="1,000 entries").small
    entries = 1_000 if small else 100_000
    with tempfile.TemporaryDirectory() as folder:
        place, root = Path(folder), Path(folder) / "tree"
        db = ledger(place, entries)
        wiring = Wiring(settings=Settings(data_dir=place, database_url=db.url), base_url=BASE, broker_url="")
        wiring.__dict__["db"] = db
        publishing.rerender_all(db, BASE)
        first, whole = timed(wiring, root)
        nothing, unchanged = timed(wiring, root)
        assert (unchanged.asked, unchanged.written) == (0, 0)
        publishing.publish(db, BASE, [entries + 1])
        publishing.catch_up(db, BASE)
        published, one = timed(wiring, root)
        text = EntryContent(title="On other tides", body_html=BODY).model_dump(mode="json")
        with db.transaction() as session:
            session.add(Draft(entry_id=1, content=text, source="x", source_hash="y", imported_at=clock.now()))
        publishing.correct(db, BASE, 1)
        publishing.catch_up(db, BASE)
        corrected, old = timed(wiring, root)
    record(
        "export",
        {
            "entries": entries,
            "documents": whole.documents,
            "files_written": whole.written,
            "first_export_seconds": round(first, 1),
            "documents_a_second": round(whole.documents / first, 1),
            "export_of_nothing_new_seconds": round(nothing, 2),
            "after_one_publish_seconds": round(published, 2),
            "after_one_publish_documents_asked": one.asked,
            "after_one_publish_files_written": one.written,
            "after_one_publish_files_removed": one.removed,
            "after_a_correction_of_the_oldest_seconds": round(corrected, 1),
            "after_a_correction_of_the_oldest_documents_asked": old.asked,
        },
        whole=not small,
    )


if __name__ == "__main__":
    main()
