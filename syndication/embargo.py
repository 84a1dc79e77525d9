"""Publish what was held back, when its time has come. One entry that cannot go out does not hold up the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.errors import SyndicationError
from syndication.ledger import attempts
from syndication.ledger.content import Entry
from syndication.ledger.db import Database, ledger_now
from syndication.press import Change, Decide, Plan, carry_out_sound
from syndication.publishing import BATCH, publish_one

log = structlog.get_logger(__name__)


def publish_due(db: Database, base_url: str) -> list[Change]:
    """Publishes the scheduled entries whose time has come, up to 50 in one act, so that one mail carries them all.

    One that fails is logged and the others go out without it; it is tried again alone, later and later.
    """
    done: list[Change] = []
    seen: set[int] = set()
    while True:
        with db.reading() as session:
            now = ledger_now(session)
            due = session.scalars(
                select(Entry.id)
                .where(Entry.state == "scheduled", Entry.scheduled_at <= now, Entry.id.not_in(seen))
                .order_by(Entry.scheduled_at, Entry.id)
                .limit(BATCH)
            ).all()
        if not due:
            return done
        seen.update(due)
        by_work = {attempts.named("publish", entry_id): entry_id for entry_id in due}
        for works in attempts.in_turn(db, list(by_work)):
            done += _publish_scheduled(db, base_url, [by_work[work] for work in works], now)


def anything_scheduled(session: Session) -> bool:
    """Whether the time of some scheduled entry has come."""
    due = (Entry.state == "scheduled", Entry.scheduled_at <= ledger_now(session))
    query = select(Entry.id).where(*due, ~attempts.waits(session, "publish", Entry.id)).limit(1)
    return session.execute(query).first() is not None


def _publish_scheduled(db: Database, base_url: str, entry_ids: Sequence[int], now: datetime) -> list[Change]:
    """In one act; without those that fail by themselves where it cannot be done with them."""

    def act(ids: Sequence[int]) -> Decide:
        def decide(session: Session, plan: Plan) -> None:
            found = {e.id: e for e in session.scalars(select(Entry).where(Entry.id.in_(ids))).unique()}
            for entry in (found[i] for i in ids):
                if entry.state == "scheduled" and entry.scheduled_at and entry.scheduled_at <= now:
                    publish_one(session, plan, entry, entry.mail_wanted)

        return decide

    return carry_out_sound(db, base_url, act, entry_ids, lambda entry_id, error: _record(db, entry_id, error))


def _record(db: Database, entry_id: int, error: Exception) -> None:
    ours = isinstance(error, SyndicationError)
    reason = str(error) if ours else f"{type(error).__name__}: {error}"
    log.error("a scheduled entry cannot be published", entry=entry_id, reason=reason, exc_info=not ours)
    with db.transaction() as session:
        attempts.failed(session, attempts.named("publish", entry_id), reason)
