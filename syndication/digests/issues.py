"""Cut issues: one for each publication, cadence and slot. The rest of an issue's life is imported here, so that callers
have one place: `freeze`, `settle`, `pause`, `resume`, `cancel`.

Guarantees: a slot is cut once, however many ticks see it (a unique key); a late tick cuts the newest slot only; a slot for
which nobody is owed anything is written down as empty, so that what is published later waits for the next hour. A daily or
weekly slot concerns the zones whose local hour it is; at once, the slot is the newest entry's `mail_seq`. What an issue that
was cancelled left for people at once waits for the next entry: who stops the presses finds them stopped.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication import clock
from syndication.digests.concerning import cut_of
from syndication.digests.control import cancel, counts, hold, issue_named, pause, resume, settle
from syndication.digests.freezing import freeze
from syndication.digests.schedule import AT_ONCE, CADENCES, DAILY, WEEKLY, is_for_stragglers, last_slot, slot_name
from syndication.errors import BadInput
from syndication.ledger import due
from syndication.ledger.db import Database, ring_after_commit
from syndication.ledger.tables import Fact, Issue, Publication

__all__ = [
    "cancel", "counts", "cut", "cut_due", "freeze", "hold", "issue_named", "pause", "resume", "settle",
    "zone_of",
]  # fmt: skip

log = structlog.get_logger(__name__)

_STRAGGLERS_EVERY = timedelta(minutes=1)


class _Slot(NamedTuple):
    publication_id: int
    cadence: str
    name: str
    zones: tuple[str, ...]


def cut_due(db: Database) -> list[int]:
    """Cuts what the present hour owes and nobody cut yet. The ids of issues to freeze; rings for each."""
    return _cut(db, CADENCES)


def anything_to_cut(session: Session) -> bool:
    """Whether `cut_due` would look closer: some slot of the present hour is not cut yet."""
    return bool(_slots(session, CADENCES))


def cut(db: Database, cadence: str, *, now: bool = False) -> list[int]:
    """Cuts the slots of one cadence that are due, or with `now` one issue by hand for everybody at that cadence.

    By hand: the slot is `now:<instant>`, and the id is given even where nobody is owed anything (the issue is empty).
    Raises BadInput for a cadence that is none.
    """
    if cadence not in CADENCES:
        raise BadInput(f"{cadence!r} is no cadence;", remedy=f"write one of {', '.join(CADENCES)}.")
    if not now:
        return _cut(db, (cadence,))
    made = []
    name = clock.now().strftime("now:%Y-%m-%dT%H:%M:%S.%fZ")
    with db.transaction() as session:
        for publication in session.scalars(select(Publication)):
            issue_id, _ = _insert(session, _Slot(publication.id, cadence, name, ()))
            if issue_id is not None:
                made.append(issue_id)
    return made


def zone_of(name: str) -> ZoneInfo:
    """The zone, or UTC where this host's tz database does not know it (one person's zone must not stop everybody's)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        log.warning("zone.unknown", zone=name, instead="UTC")
        return ZoneInfo("UTC")


def _cut(db: Database, cadences: tuple[str, ...]) -> list[int]:
    with db.reading() as session:  # most ticks find nothing, and take no lock
        slots = _slots(session, cadences)
    made = []
    if slots:
        with db.transaction() as session:
            for slot in slots:
                issue_id, state = _insert(session, slot)
                if issue_id is not None and state == "cut":
                    made.append(issue_id)
    return made


def _slots(session: Session, cadences: tuple[str, ...]) -> list[_Slot]:
    now = clock.now()
    zones = due.zones_in_use(session)
    slots: list[_Slot] = []
    for publication in session.scalars(select(Publication)):
        if AT_ONCE in cadences:
            slots += _at_once(session, publication, now)
        for cadence in (DAILY, WEEKLY):
            if cadence in cadences:
                slots += _dated(session, publication, cadence, zones, now)
    return slots


def _dated(session: Session, publication: Publication, cadence: str, zones: list[str], now: datetime) -> list[_Slot]:
    sharing: dict[datetime, list[str]] = defaultdict(list)
    for name in zones:
        at = last_slot(cadence, zone_of(name), publication.daily_at, publication.weekly_on, now)
        if at >= publication.created_at:
            sharing[at].append(name)
    names = {slot_name(at): at for at in sharing}
    known = set(
        session.scalars(
            select(Issue.slot).where(
                Issue.publication_id == publication.id, Issue.cadence == cadence, Issue.slot.in_(names)
            )
        )
    )
    return [
        _Slot(publication.id, cadence, name, tuple(sorted(sharing[at])))
        for name, at in sorted(names.items())
        if name not in known
    ]


def _at_once(session: Session, publication: Publication, now: datetime) -> list[_Slot]:
    newest = due.newest_mailable(session, publication.id)
    if not newest:
        return []
    mine = (Issue.publication_id == publication.id) & (Issue.cadence == AT_ONCE)
    name = f"seq:{newest}"
    if newest > (session.scalar(select(func.max(Issue.upto_seq)).where(mine)) or 0):
        return [_Slot(publication.id, AT_ONCE, name, ())]
    # Somebody who changed to at-once lately may be behind an issue that is frozen already. Looking for them passes over
    # every at-once subscription, so not at each tick, and not while an issue is still being frozen.
    fact = session.get(Fact, _looked(publication.id))
    if fact is not None and abs(now - datetime.fromisoformat(fact.value)) < _STRAGGLERS_EVERY:
        return []
    if session.scalar(select(Issue.id).where(mine, Issue.frozen_at.is_(None)).limit(1)) is not None:
        return []
    return [_Slot(publication.id, AT_ONCE, f"{name}@{slot_name(now)}", ())]


def _looked(publication_id: int) -> str:
    return f"at-once stragglers looked for:{publication_id}"


def _insert(session: Session, slot: _Slot) -> tuple[int | None, str]:
    """Makes the issue: (id, state), or (None, "") where it exists or a straggler's slot has nobody."""
    now = clock.now()
    upto = due.newest_mailable(session, slot.publication_id)
    straggling = is_for_stragglers(slot.name)
    behind = upto > 0 and due.anyone_behind(session, cut_of(session, *slot, upto))
    if straggling:
        session.merge(Fact(name=_looked(slot.publication_id), value=now.isoformat()))
        if not behind:
            return None, ""
    elif slot.name.startswith("seq:"):
        if not upto:
            return None, ""  # withdrawn since we looked
        slot = slot._replace(name=f"seq:{upto}")
    state = "cut" if behind else "empty"
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(Issue)
        .values(
            publication_id=slot.publication_id,
            cadence=slot.cadence,
            slot=slot.name,
            zones=list(slot.zones),
            upto_seq=upto,
            state=state,
            paused=False,
            frozen_to=0,
            eligible=0,
            cut_at=now,
            frozen_at=None if behind else now,
        )
        .on_conflict_do_nothing()
        .returning(Issue.id)
    )
    issue_id = session.scalar(statement)
    if issue_id is None:
        return None, ""
    if behind:
        hint = "digests.freeze_at_once" if slot.cadence == AT_ONCE else "digests.freeze"
        ring_after_commit(session, hint, issue_id)
    log.info("issue.cut", issue=issue_id, cadence=slot.cadence, slot=slot.name, upto=upto, state=state)
    return issue_id, state
