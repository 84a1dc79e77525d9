"""What every hint is about, and how the same work is found without the hint: a lost message costs nothing but time.

`OWED` is the one table: hint → what is owed now, and what to do about it. Workers do it when a hint comes; beat asks every
few seconds what is owed and rings for that. Each look stands alone: one that fails is logged and keeps no other from its work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from syndication import composing, defining, embargo, publishing
from syndication.audience import forgetting
from syndication.digests import bundling, freezing, issues
from syndication.errors import SyndicationError
from syndication.feeds import archives, owing
from syndication.ledger import claims
from syndication.mail.fleet import way_out
from syndication.mail.sender import DIGESTS, LETTERS, fold_own, recover, send_due
from syndication.mail.transport import open_transport
from syndication.partners import pulls
from syndication.push import sender as push_sender
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

Arguments = tuple[object, ...]
_ONCE: list[Arguments] = [()]
SHARE = 4 * owing.TOGETHER  # feeds that one hint renders where there are more


@dataclass(frozen=True, slots=True)
class Owed:
    """`find`: the arguments of each hint that is owed now, by a look at the ledger alone. `do`: the work of one hint."""

    find: Callable[[Session], Sequence[Arguments]]
    do: Callable[..., object]


def _when(owed: bool) -> list[Arguments]:
    return _ONCE if owed else []


def _mail(kinds: tuple[str, ...], *, at_once: bool = False) -> Owed:
    def send(wiring: Wiring, *_ids: object) -> object:
        return send_due(wiring, way_out(wiring, exempt=kinds == LETTERS), kinds=kinds, at_once=at_once)

    return Owed(lambda session: _when(claims.anything_due(session, kinds, at_once=at_once)), send)


def _render(wiring: Wiring) -> None:
    """Who can call another process leaves it the rest, so that other hints of the queue get their turn."""
    defining.come_due(wiring.db)
    with wiring.db.reading() as session:
        enough_for_two = len(owing.owed(session, owing.TOGETHER + 1)) > owing.TOGETHER
    if enough_for_two and wiring.db.ring("publish.render_owed"):
        publishing.even_out(wiring.db)
        owing.render_owed(wiring.db, wiring.base_url, limit=SHARE)
    else:
        publishing.catch_up(wiring.db, wiring.base_url)


def _freeze(wiring: Wiring, issue_id: int, *, beginning: bool = False) -> None:
    chunk, minutes = wiring.settings.freeze_chunk, wiring.settings.spread_minutes
    freezing.freeze_counted(wiring.db, issue_id, chunk=chunk, spread_minutes=minutes, beginning=beginning)


def _look_through(wiring: Wiring) -> None:
    settings = wiring.settings
    bundling.look_through(
        wiring.db,
        bundle_after=timedelta(days=settings.bundle_after_days),
        keep_for=timedelta(days=settings.keep_deliveries_days),
        seconds=0.6 * settings.task_time_limit_seconds,
    )


OWED: dict[str, Owed] = {
    "mail.send_transactional": _mail(LETTERS),
    "publish.publish_due": Owed(
        lambda session: _when(embargo.anything_scheduled(session)),
        lambda wiring: embargo.publish_due(wiring.db, wiring.base_url),
    ),
    "publish.render_owed": Owed(
        lambda session: _when(
            bool(archives.uneven(session, 1) or owing.owed(session, 1) or defining.anything_due(session))
        ),
        _render,
    ),
    "publish.forget_unused": Owed(
        lambda session: _when(composing.anything_unused(session)), lambda wiring: composing.forget_unused(wiring.db)
    ),
    "digests.cut_due": Owed(
        lambda session: _when(issues.anything_to_cut(session)),
        lambda wiring: issues.cut_due(wiring.db),
    ),
    "digests.freeze_at_once": Owed(
        lambda session: [(id_,) for id_ in freezing.owed(session, at_once=True)], partial(_freeze, beginning=True)
    ),
    "digests.freeze": Owed(lambda session: [(id_,) for id_ in freezing.owed(session, at_once=False)], _freeze),
    "digests.look_through": Owed(lambda session: _when(bundling.anything_to_look_through(session)), _look_through),
    "audience.forget_unconfirmed": Owed(
        lambda session: _when(forgetting.anything_to_forget(session)),
        lambda wiring: forgetting.forget_unconfirmed(wiring.db),
    ),
    "mail.send_at_once": _mail(DIGESTS, at_once=True),
    "mail.send_due": _mail(DIGESTS),
    "push.send": Owed(lambda session: _when(push_sender.anything_to_do(session)), push_sender.send_due),
    "partners.forget_polls": Owed(
        lambda session: _when(pulls.anything_to_forget(session)),
        lambda wiring: pulls.forget_polls(wiring.db, wiring.settings.partner_polls_kept_days),
    ),
}


def do(wiring: Wiring, name: str, *args: object) -> None:
    """The work of one hint. It may come twice, late or never."""
    OWED[name].do(wiring, *args)


def sweep(wiring: Wiring) -> None:
    """Rings for everything that is owed, whether or not somebody rang before."""
    for name in OWED:
        for args in _owed(wiring, name):
            wiring.db.ring(name, *args)


def sweep_all(wiring: Wiring) -> None:
    """Does everything that is owed in this process, mail and pushes too: for a service without workers, and for tests."""
    for name in OWED:
        for args in _owed(wiring, name):
            _alone(name, lambda name=name, args=args: do(wiring, name, *args))  # type: ignore[misc]


def make_good(wiring: Wiring) -> None:
    """What this process sent and could not tell the ledger."""
    _alone("mail.make_good", lambda: fold_own(wiring, open_transport(wiring.settings)))


def look_after_journals(wiring: Wiring) -> None:
    """What dead workers of this host left in their journals, and leases that ran out."""
    _alone("mail.recover", lambda: recover(wiring, open_transport(wiring.settings)))


def _owed(wiring: Wiring, name: str) -> list[Arguments]:
    found: list[Arguments] = []

    def look() -> None:
        with wiring.db.reading() as session:
            found.extend(OWED[name].find(session))

    _alone(name, look)
    return found


def _alone(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except (SyndicationError, SQLAlchemyError, OSError) as error:
        log.error("a sweep failed; the next one tries again", step=name, reason=str(error))
