"""Keep the ledger small for years: finished issues become bundles, and after the retention date numbers alone.

Guarantees: each step is one transaction that leaves the issue's equation true; which entries an issue carried is written down
before its first delivery leaves the table, so that whoever asks finds it in one place or the other. Nothing is touched that
may still change: only issues done or cancelled long ago, only deliveries that were sent. Letters (confirmations) go whole.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.mailings import Carried, Delivery, Edition, EditionEntry, Issue, Lease, Letter
from syndication.ledger.operations import Fact
from syndication.ledger.past import SIZE, Bundle, IssueEntry, PastDelivery, PastEdition, pack
from syndication.ledger.states import UNSETTLED

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(hours=1)
_LOOKED = "finished issues were looked through"
_AT_A_TIME = 5_000
_UNSYNCED = {"synchronize_session": False}


def anything_to_look_through(session: Session) -> bool:
    """Whether an hour has passed since the last look; takes no lock."""
    fact = session.get(Fact, _LOOKED)
    return fact is None or abs(clock.now() - datetime.fromisoformat(fact.value)) >= LOOK_EVERY


def look_through(db: Database, *, bundle_after: timedelta, keep_for: timedelta, seconds: float) -> int:
    """Bundles and forgets what is old enough, for `seconds` at most; the transactions it took. Where it did not get to the
    end it is owed still."""
    ends = clock.monotonic() + seconds
    done = 0
    with db.reading() as session:
        now = ledger_now(session)
        finished = Issue.state.in_(("done", "cancelled"))
        old = Issue.done_at < now - bundle_after
        fresh = or_(Issue.bundled_at.is_(None), Issue.bundled_at < Issue.done_at)
        bundles = session.scalars(select(Issue.id).where(finished, old, fresh).order_by(Issue.id)).all()
        past = (Issue.done_at < now - keep_for) & Issue.forgotten_at.is_(None)
        forgotten = session.scalars(select(Issue.id).where(finished, past).order_by(Issue.id)).all()
    steps = [(bundle_some, issue_id) for issue_id in bundles] + [(forget_some, issue_id) for issue_id in forgotten]
    for step, issue_id in steps:
        more = True
        while more:
            if clock.monotonic() >= ends:
                return done
            with db.transaction() as session:
                more = step(session, issue_id)
            done += 1
    with db.transaction() as session:
        _forget_letters(session, ledger_now(session) - bundle_after)
        session.merge(Fact(name=_LOOKED, value=clock.now().isoformat()))
    if done:
        log.info("ledger.looked_through", bundled=len(bundles), forgotten=len(forgotten), steps=done)
    return done


def bundle_some(session: Session, issue_id: int) -> bool:
    """One step: up to 10,000 sent deliveries into a bundle, or some editions nobody needs away; whether there is more."""
    carried = (
        select(EditionEntry.entry_id, Edition.issue_id)
        .join(Edition, Edition.id == EditionEntry.edition_id)
        .where(Edition.issue_id == issue_id)
        .distinct()
    )
    _note(session, issue_id)
    known = exists().where(IssueEntry.issue_id == Edition.issue_id, IssueEntry.entry_id == EditionEntry.entry_id)
    session.execute(insert(IssueEntry).from_select(["entry_id", "issue_id"], carried.where(~known)))
    rows = session.execute(
        select(
            Delivery.id,
            Delivery.subscriber_id,
            Delivery.edition_id,
            Delivery.attempts,
            Delivery.created_at,
            Delivery.sent_at,
        )
        .where(Delivery.issue_id == issue_id, Delivery.state == "sent")
        .order_by(Delivery.id)
        .limit(SIZE)
        .with_for_update()
    ).all()
    if not rows:
        if _drop_editions(session, issue_id):
            return True
        session.execute(update(Issue).where(Issue.id == issue_id).values(bundled_at=ledger_now(session)))
        return False
    deliveries = [
        PastDelivery(id_, person or 0, edition or 0, tries, created, sent or created)
        for id_, person, edition, tries, created, sent in rows
    ]
    people = [d.subscriber_id for d in deliveries]
    first, last = deliveries[0].id, deliveries[-1].id
    session.add(
        Bundle(
            issue_id=issue_id, first_delivery=first, last_delivery=last, first_subscriber=min(people),
            last_subscriber=max(people), count=len(deliveries),
            data=pack(deliveries, _editions(session, {d.edition_id for d in deliveries})),
        )
    )  # fmt: skip
    mine = (Delivery.issue_id == issue_id, Delivery.state == "sent", Delivery.id >= first, Delivery.id <= last)
    session.execute(delete(Delivery).where(*mine), execution_options=_UNSYNCED)
    return True


def _note(session: Session, issue_id: int) -> None:
    """Before the first rows go: what the report tells of an issue and rows alone knew. An issue opened again is noted anew."""
    issue = session.get_one(Issue, issue_id)
    if issue.noted is not None and issue.bundled_at is None:
        return  # at its next ten thousand
    editions = session.scalar(select(func.count()).where(Edition.issue_id == issue_id)) or 0
    first, last = session.execute(
        select(func.min(Delivery.sent_at), func.max(Delivery.sent_at)).where(
            Delivery.issue_id == issue_id, Delivery.state == "sent"
        )
    ).one()
    was = issue.noted or {}
    times = [at.isoformat() for at in (first, last) if at] + [
        was[k] for k in ("first_sent_at", "last_sent_at") if was.get(k)
    ]
    issue.noted = {
        "editions": max(editions, was.get("editions", 0)),
        "first_sent_at": min(times, default=None),
        "last_sent_at": max(times, default=None),
    }


def forget_some(session: Session, issue_id: int) -> bool:
    """One step after the retention date: a bundle or up to 5,000 rows become numbers in `issue.tally`; whether there is
    more. A delivery that is not settled (an issue that was opened again) is left alone."""
    issue = session.get_one(Issue, issue_id, with_for_update={"key_share": True})
    tally = dict(issue.tally or {})
    bundle = session.scalars(select(Bundle).where(Bundle.issue_id == issue_id).order_by(Bundle.id).limit(1)).first()
    if bundle is not None:
        tally["sent"] = tally.get("sent", 0) + bundle.count
        session.delete(bundle)
        issue.tally = tally
        return True
    rows = session.execute(
        select(Delivery.id, Delivery.state, Delivery.lease_id)
        .where(Delivery.issue_id == issue_id, Delivery.state.not_in(UNSETTLED))
        .order_by(Delivery.id)
        .limit(_AT_A_TIME)
        .with_for_update()
    ).all()
    if rows:
        for row in rows:
            tally[row.state] = tally.get(row.state, 0) + 1
        ids = [row.id for row in rows]
        session.execute(delete(Carried).where(Carried.delivery_id.in_(ids)), execution_options=_UNSYNCED)
        session.execute(delete(Delivery).where(Delivery.id.in_(ids)), execution_options=_UNSYNCED)
        leases = {row.lease_id for row in rows if row.lease_id is not None}
        held = exists().where(Delivery.lease_id == Lease.id)
        session.execute(delete(Lease).where(Lease.id.in_(leases), ~held), execution_options=_UNSYNCED)
        issue.tally = tally
        return True
    if _drop_editions(session, issue_id):
        return True
    session.execute(delete(IssueEntry).where(IssueEntry.issue_id == issue_id), execution_options=_UNSYNCED)
    issue.forgotten_at = ledger_now(session)
    return False


def _editions(session: Session, edition_ids: set[int]) -> dict[int, PastEdition]:
    found: dict[int, PastEdition] = {}
    wanted = sorted(edition_ids)
    for start in range(0, len(wanted), _AT_A_TIME):
        some = wanted[start : start + _AT_A_TIME]
        entry_of = {
            (edition, revision): entry
            for edition, entry, revision in session.execute(
                select(EditionEntry.edition_id, EditionEntry.entry_id, EditionEntry.revision_id).where(
                    EditionEntry.edition_id.in_(some)
                )
            )
        }
        for edition in session.scalars(select(Edition).where(Edition.id.in_(some))):
            entries = tuple((entry_of[edition.id, revision], revision) for revision in edition.revisions)
            found[edition.id] = PastEdition(edition.id, edition.language, edition.notice_id, entries)
    return found


def _drop_editions(session: Session, issue_id: int) -> int:
    """Takes away editions that no row needs any more, some at a time; how many."""
    needed = exists().where(Delivery.edition_id == Edition.id)
    some = session.scalars(select(Edition.id).where(Edition.issue_id == issue_id, ~needed).limit(_AT_A_TIME)).all()
    session.execute(delete(EditionEntry).where(EditionEntry.edition_id.in_(some)), execution_options=_UNSYNCED)
    session.execute(delete(Edition).where(Edition.id.in_(some)), execution_options=_UNSYNCED)
    return len(some)


def _forget_letters(session: Session, before: datetime) -> None:
    """Letters settled long ago, with their addresses: the consent they led to is kept elsewhere."""
    old = session.scalars(
        select(Delivery.id)
        .where(Delivery.issue_id.is_(None), Delivery.state.not_in(UNSETTLED), Delivery.created_at < before)
        .order_by(Delivery.id)
        .limit(_AT_A_TIME)
    ).all()
    session.execute(delete(Letter).where(Letter.delivery_id.in_(old)), execution_options=_UNSYNCED)
    session.execute(delete(Delivery).where(Delivery.id.in_(old)), execution_options=_UNSYNCED)
