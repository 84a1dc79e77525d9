"""A slice's end: everything that became of it into the ledger in one transaction; what went stale gets its new edition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import update
from sqlalchemy.orm import Session

from syndication.digests.control import issue_named, settle
from syndication.digests.repoint import NOTHING_LEFT, renewed
from syndication.ledger import claims
from syndication.ledger.claims import Claimed, Outcome
from syndication.ledger.mailings import Delivery
from syndication.mail.gate import narrowed
from syndication.wiring import Wiring

Stale = Mapping[tuple[int, frozenset[int]], Sequence[Claimed]]


def fold_slice(wiring: Wiring, lease_id: int, outcomes: Sequence[Outcome], stale: Stale) -> None:
    """`stale`: by (edition, the series of it that stay) the deliveries, `pending` among the outcomes."""
    with wiring.db.transaction() as session:
        issues = claims.fold(session, lease_id, outcomes, wiring.settings.retry_ladder)
        for (edition_id, keep), rows in stale.items():
            _renew(session, edition_id, keep, rows)
        for issue_id in sorted(issues):
            settle(session, issue_id)


def _renew(session: Session, edition_id: int, keep: frozenset[int], rows: Sequence[Claimed]) -> None:
    issue_named(session, rows[0].issue_id or 0, lock=True)  # nobody else makes the same edition meanwhile
    instead = renewed(session, edition_id)
    if instead is not None:
        instead = narrowed(session, instead, keep)
    values: dict[str, object] = {"edition_id": instead}
    if instead is None:
        values = {"state": "cancelled", "reply": NOTHING_LEFT}
    session.execute(
        update(Delivery).where(Delivery.id.in_([row.id for row in rows]), Delivery.state == "pending").values(**values),
        execution_options={"synchronize_session": False},
    )
