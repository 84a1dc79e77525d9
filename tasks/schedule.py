"""Beat: looks every `sweep_seconds` for what is owed and rings for it. It may run on every host: a seat in the ledger
decides who rings."""

from __future__ import annotations

import structlog
from celery import beat
from sqlalchemy.exc import SQLAlchemyError

from syndication import sweeping
from syndication.ledger import presence
from tasks.app import wiring

log = structlog.get_logger(__name__)

SEAT = "beat"
SEAT_SECONDS = 15.0


class Scheduler(beat.Scheduler):  # type: ignore[misc]  # Celery has no types
    """`celery -A tasks.app beat -S tasks.schedule:Scheduler`. Keeps no file."""

    def setup_schedule(self) -> None:
        """There is one thing to do, and `tick` knows it."""

    def tick(self, *_args: object, **_options: object) -> float:
        """Sweeps if the seat is ours; the seconds until the next look. A dead ledger costs one round, a dead broker none
        that matters: the bell shrugs it off."""
        seconds = wiring().settings.sweep_seconds
        try:
            if self._seated(seconds):
                sweeping.sweep(wiring())
        except (SQLAlchemyError, OSError) as error:
            log.warning("no sweep this time", reason=str(error))
        return seconds

    def _seated(self, seconds: float) -> bool:
        with wiring().db.transaction() as session:
            presence.note(session, "beat")
            return presence.take_chair(
                session, SEAT, presence.name_of_this_process("beat"), max(SEAT_SECONDS, 3 * seconds)
            )
