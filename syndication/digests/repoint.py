"""After a correction or a withdrawal: mail that waits gets an edition with what is true now, or is cancelled.

Guarantees: editions never change, a new one is made; an issue that is being frozen meanwhile ends up with the new state
too, because the act holds the issue's row until it commits and each chunk reads the entries after taking it. What a worker
has claimed is not touched here: its gate asks `renewed` before the wire.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from syndication.digests.control import settle
from syndication.digests.editions import Pinned, editions_for
from syndication.ledger.db import ledger_now
from syndication.ledger.tables import Delivery, Edition, EditionEntry, Entry, Issue, Revision

NOTHING_LEFT: Final = "every entry of this mail was withdrawn"
_WAITING = ("pending", "deferred")


def repoint(session: Session, entry: Entry, revision: Revision | None) -> int:
    """Points waiting deliveries of `entry` at its new `revision`; None: it was withdrawn. The number of deliveries.

    Called in the transaction of the act, after the entry's new state was flushed.
    """
    unfrozen = or_(Issue.state.in_(("cut", "freezing")), (Issue.state == "cancelled") & Issue.frozen_at.is_(None))
    session.execute(select(Issue.id).where(unfrozen).order_by(Issue.id).with_for_update(key_share=True)).all()
    waits = exists().where(Delivery.edition_id == EditionEntry.edition_id, Delivery.state.in_(_WAITING))
    stale = select(EditionEntry.edition_id).where(EditionEntry.entry_id == entry.id, waits)
    if revision is not None:
        stale = stale.where(EditionEntry.revision_id != revision.id)
    changed = 0
    issues: set[int] = set()
    for edition_id in session.scalars(stale.order_by(EditionEntry.edition_id)).all():
        edition = session.get_one(Edition, edition_id)
        instead = renewed(session, edition_id)
        values: dict[str, object] = {"edition_id": instead}
        if instead is None:
            values = {"state": "cancelled", "reply": NOTHING_LEFT}
            issues.add(edition.issue_id)
        moved = session.execute(
            update(Delivery)
            .where(Delivery.edition_id == edition_id, Delivery.state.in_(_WAITING))
            .values(**values)
            .returning(Delivery.id),
            execution_options={"synchronize_session": False},
        )
        changed += len(moved.all())
    for issue_id in sorted(issues):
        settle(session, issue_id)
    return changed


def renewed(session: Session, edition_id: int) -> int | None:
    """The edition that says today what this one said: its own id where nothing changed, None where nothing is left.

    The notice stays the one that was pinned. Makes the edition where it is missing.
    """
    edition = session.get_one(Edition, edition_id)
    rows = session.execute(
        select(EditionEntry.revision_id, EditionEntry.entry_id, Entry.revision_id)
        .join(Entry, Entry.id == EditionEntry.entry_id)
        .where(EditionEntry.edition_id == edition_id, Entry.state == "published")
    ).all()
    present = {pinned: (entry, current or pinned) for pinned, entry, current in rows}
    entries = tuple(present[pinned] for pinned in edition.revisions if pinned in present)
    if not entries:
        return None
    if [revision for _, revision in entries] == list(edition.revisions):
        return edition_id
    wanted = Pinned(edition.language, edition.notice_id, entries)
    return editions_for(session, edition.issue_id, [wanted], ledger_now(session))[wanted]
