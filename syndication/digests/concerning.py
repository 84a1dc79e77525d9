"""Whom an issue concerns: the `Cut` of a publication, cadence and slot, the same for who cuts and for who freezes.

Mail at once concerns those who follow a series with something new since the issue before, and those who follow all; nobody
else's row is read or written. Who is behind for another reason (they changed to at-once lately) is found by the slot for
stragglers, which looks at everybody, as does a cut by hand and one that brings what was carried over.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from syndication.digests.schedule import AT_ONCE, is_for_stragglers, slot_instant
from syndication.ledger import carrying, due
from syndication.ledger.due import Cut
from syndication.ledger.tables import Issue

_MANY = 500  # series, beyond which everybody is looked at


def cut_of(
    session: Session,
    publication_id: int,
    cadence: str,
    slot: str,
    zones: Iterable[str],
    upto: int,
    issue: int | None = None,
) -> Cut:
    """Whom the issue with this slot concerns. `issue`: its id, where it is made already."""
    carried = not is_for_stragglers(slot)
    if cadence != AT_ONCE:
        return Cut(publication_id, cadence, tuple(zones), upto, slot_instant(slot), carried=carried)
    carried = carried and carrying.anything(session)
    scopes: tuple[int, ...] = ()
    if slot.startswith("seq:") and not is_for_stragglers(slot) and not carried:
        before = select(func.max(Issue.upto_seq)).where(
            Issue.publication_id == publication_id, Issue.cadence == AT_ONCE
        )
        if issue is not None:
            before = before.where(Issue.id < issue)
        new = due.series_between(session, publication_id, session.scalar(before) or 0, upto)
        scopes = (0, *new) if len(new) <= _MANY else ()
    return Cut(publication_id, cadence, (), upto, carried=carried, at_once=True, scopes=scopes)
