"""Send what is due: claim → look again → begun in the journal → wire → answer in the journal → fold, slice by slice.

Guarantees: no transaction is open while a relay is talked to; nothing goes to the wire after the lease's deadline (by the
monotonic clock); a template that fails its gate holds back its own edition and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from syndication import clock
from syndication.digests.control import settle
from syndication.ledger import claims
from syndication.mail import journal, resolving
from syndication.mail.dispatch import Dispatch
from syndication.mail.transport import LimitReached, Transport, TransportTrouble
from syndication.mail.trouble import note, over, standing
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

DIGESTS, LETTERS = ("digest", "notice"), ("transactional",)
CLAIM_UNTIL, ANSWERED_UNTIL = 0.6, 0.95  # of a task's time


def journals_dir(wiring: Wiring) -> Path:
    return wiring.settings.data_dir / "journals"


def recover(wiring: Wiring, transport: Transport | None = None) -> int:
    """Settles what dead workers left: replays their journals, lets leases expire, and does with unknown mail what its
    publication says. Cheap where there is nothing."""
    ladder = wiring.settings.retry_ladder
    directory = journals_dir(wiring)
    journal.of_this_process(directory)
    settled = journal.replay(wiring.db, directory, transport, ladder) + fold_own(wiring, transport)
    grace = wiring.settings.journal_grace_seconds
    with wiring.db.reading() as session:  # mostly there is nothing, and no lock is taken
        expired = claims.anything_expired(session, grace)
    if expired:
        with wiring.db.transaction() as session:
            for issue_id in sorted(claims.expire(session, grace, ladder)):
                settle(session, issue_id)
    with wiring.db.reading() as session:
        decided = resolving.anything_by_policy(session, grace)
    if decided:
        with wiring.db.transaction() as session:
            resolving.by_policy(session, grace)
    return settled


def fold_own(wiring: Wiring, transport: Transport | None = None) -> int:
    """Settles what this process could not fold when it should have: the database was away, say."""
    mine = journal.opened_by_this_process(journals_dir(wiring))
    settled = 0
    if mine is None:
        return settled
    for lease_id in sorted(mine.left - mine.working):
        ladder = wiring.settings.retry_ladder
        settled += journal.fold_file(wiring.db, mine.path, transport, ladder, only=(lease_id,))
        mine.folded(lease_id)
    return settled


def send_due(
    wiring: Wiring,
    transport: Transport,
    *,
    kinds: Sequence[str] = ("transactional", "digest"),
    limit: int | None = None,
    at_once: bool = False,
) -> int:
    """Sends what is due, transactional mail first, until nothing is, `limit` is reached or a task's time is nearly over;
    `at_once`: only what waits for no digest.

    The number of deliveries dealt with. A relay that cannot be used ends the round; the rest stays pending.
    """
    recover(wiring, transport)
    seconds = wiring.settings.task_time_limit_seconds
    wanted = tuple(kinds) + (("notice",) if "digest" in kinds else ())
    mine = journal.of_this_process(journals_dir(wiring))
    with wiring.db.reading() as session:
        troubled = standing(session) is not None
    until = clock.monotonic() + CLAIM_UNTIL * seconds
    dispatch = Dispatch(wiring, mine, wanted, limit=limit, claim_until=until, troubled=troubled, at_once=at_once)
    try:
        transport.carry(dispatch, patience=ANSWERED_UNTIL * seconds)
    except LimitReached as reached:
        log.info("mail.limit_reached", again_at=f"{reached.again_at:%Y-%m-%d %H:%M:%S} UTC")
        dispatch.close(reached)
    except TransportTrouble as trouble:
        log.warning("mail.blocked", reason=str(trouble))
        dispatch.close(trouble)
        note(wiring.db, trouble.what.rstrip(";"), "Look at the relay and at SYNDICATION_MAIL_URL; it is tried again.")
    else:
        dispatch.close(None)
        if against_us := dispatch.blocked or dispatch.refused:
            log.error("mail.blocked", reason=against_us.what, advice=against_us.advice)
            note(wiring.db, against_us.what, against_us.advice)
        elif dispatch.heard:
            over(wiring.db)
    finally:
        dispatch.leave()
        transport.close()
    return dispatch.dealt_with
