"""An issue's flags and its end: pause, resume, cancel, settle. Each takes a session and does not commit.

Guarantees: a cancelled issue names everybody who will not get it (the freeze goes on and writes `cancelled` deliveries);
what a worker has claimed is left to its own gate, which looks at the issue again before the wire.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import Conflict, NotFound
from syndication.ledger import carrying, claims, past
from syndication.ledger.db import ring_after_commit
from syndication.ledger.states import DELIVERY_STATES, ISSUE, UNSETTLED, move
from syndication.ledger.tables import Delivery, Issue

CANCELLED_WITH_ISSUE: Final = claims.WITH_ISSUE


def issue_named(session: Session, issue_id: int, *, lock: bool = False) -> Issue:
    """The issue; NotFound with the way to list them."""
    issue = session.get(Issue, issue_id, with_for_update={"key_share": True} if lock else None, populate_existing=lock)
    if issue is None:
        raise NotFound(f"there is no issue {issue_id};", remedy="see `syndicate digest list`.")
    return issue


def pause(session: Session, issue_id: int) -> Issue:
    """No further claims; freezing goes on. What a worker holds already may still go out.

    Raises Conflict where nothing is left to stop.
    """
    issue = issue_named(session, issue_id, lock=True)
    if issue.state in {"done", "empty", "cancelled"}:
        raise Conflict(f"issue {issue_id} is {issue.state};", remedy="nothing of it is sent any more.")
    issue.paused = True
    return issue


def hold(session: Session, issue_id: int) -> Issue:
    """As `pause`, for an issue that is about to be cancelled; Conflict where that is not possible any more."""
    issue = issue_named(session, issue_id, lock=True)
    move("issue", ISSUE, str(issue.id), issue.state, "cancelled")
    issue.paused = True
    return issue


def resume(session: Session, issue_id: int) -> Issue:
    """Claims go on."""
    issue = issue_named(session, issue_id, lock=True)
    issue.paused = False
    ring_after_commit(session, "mail.send_due", issue_id)
    return issue


def cancel(session: Session, issue_id: int, *, carry_over: bool = False) -> Issue:
    """Nobody who has not got it will: pending and deferred deliveries become cancelled, and so do those not made yet.

    `carry_over`: their entries go with those people's next digest. Raises Conflict for an issue that is done, empty or
    cancelled.
    """
    issue = issue_named(session, issue_id, lock=True)
    issue.state = move("issue", ISSUE, str(issue.id), issue.state, "cancelled")
    issue.paused, issue.carry_over = False, carry_over
    issue.done_at = clock.now()
    session.execute(
        update(Delivery)
        .where(Delivery.issue_id == issue_id, Delivery.state.in_(("pending", "deferred")))
        .values(state="cancelled", reply=CANCELLED_WITH_ISSUE),
        execution_options={"synchronize_session": False},
    )
    session.flush()
    if carry_over:
        carrying.carry(session, issue_id)
    if issue.frozen_at is None:
        ring_after_commit(session, "digests.freeze", issue_id)
    return issue


def settle(session: Session, issue_id: int) -> bool:
    """A frozen issue of which no delivery is pending, sending or deferred is done. True if this call made it so.

    Of one that was cancelled to be carried over, what came back since then is listed.
    """
    issue = session.get(Issue, issue_id)
    if issue is not None and issue.state == "cancelled" and issue.carry_over:
        carrying.carry(session, issue_id, again=True)
    if issue is None or issue.state != "frozen":
        return False
    unsettled = select(Delivery.id).where(Delivery.issue_id == issue_id, Delivery.state.in_(UNSETTLED)).limit(1)
    if session.execute(unsettled).first() is not None:
        return False
    issue.state = move("issue", ISSUE, str(issue_id), issue.state, "done")
    issue.done_at = clock.now()
    return True


def counts(session: Session, issue_id: int) -> dict[str, int]:
    """How many deliveries of the issue stand in each state; every state is there. Rows, bundles, and what is numbers now."""
    query = select(Delivery.state, func.count()).where(Delivery.issue_id == issue_id).group_by(Delivery.state)
    found: dict[str, int] = dict(session.execute(query).all())
    tally = session.scalar(select(Issue.tally).where(Issue.id == issue_id)) or {}
    found["sent"] = found.get("sent", 0) + past.bundled(session, issue_id)
    return {state: found.get(state, 0) + tally.get(state, 0) for state in DELIVERY_STATES}
