"""Every hint's work, found without the hint: the periodic look that makes a lost message cost nothing but time.

Each step stands alone: one that fails is logged and does not keep the others from their work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.exc import SQLAlchemyError

from syndication import publishing
from syndication.digests.freezing import freeze_owed
from syndication.digests.issues import cut_due
from syndication.errors import SyndicationError
from syndication.feeds.artifacts import render_owed
from syndication.ledger import claims
from syndication.mail.sender import DIGESTS, LETTERS, recover, send_due
from syndication.mail.transport import Transport, open_transport
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

Steps = Mapping[str, Callable[[], object]]


def steps(wiring: Wiring) -> Steps:
    """Hint → what finds its work, without the mail, which has workers of its own."""
    db, settings = wiring.db, wiring.settings
    return {
        "publish.publish_due": lambda: publishing.publish_due(db, wiring.base_url),
        "publish.render_owed": lambda: render_owed(db, wiring.base_url),
        "digests.cut_due": lambda: cut_due(db),
        "digests.freeze": lambda: freeze_owed(db, chunk=settings.freeze_chunk),
    }


def sweep(wiring: Wiring) -> None:
    """What a worker's sweep does: the work itself, and a ring for mail where some is due."""

    def ring_for_mail() -> None:
        with wiring.db.reading() as session:
            due = [
                name
                for name, kinds in (("mail.send_transactional", LETTERS), ("mail.send_due", DIGESTS))
                if claims.anything_due(session, kinds)
            ]
        for name in due:
            wiring.db.ring(name)

    _each({**steps(wiring), "mail": ring_for_mail})


def sweep_all(wiring: Wiring, transport: Transport | None = None) -> None:
    """Everything in this process, mail too: for tests, and for a service without workers."""
    way = transport or open_transport(wiring.settings)
    _each({**steps(wiring), "mail.send_due": lambda: send_due(wiring, way)})


def look_after_journals(wiring: Wiring) -> None:
    """What dead workers of this host left in their journals, and leases that ran out."""
    _each({"mail.recover": lambda: recover(wiring, open_transport(wiring.settings))})


def _each(work: Steps) -> None:
    for name, do in work.items():
        try:
            do()
        except (SyndicationError, SQLAlchemyError, OSError) as error:
            log.error("a sweep failed; the next one tries again", step=name, reason=str(error))
