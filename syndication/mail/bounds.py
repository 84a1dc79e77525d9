"""How many mails may become `unknown` at most, by what happens to whom. Pure; docs/guarantees.md says why."""

from __future__ import annotations

from syndication.content import Record
from syndication.mail.slices import MOST
from syndication.settings import Settings


class Bounds(Record):
    """Deliveries, for each worker process to which it happens."""

    killed: int
    power_lost: int
    journal_lost: int

    @property
    def sentence(self) -> str:
        return (
            f"At most {self.killed:,} for each worker process that is killed, {self.power_lost:,} for each on a machine that "
            f"loses power, {self.journal_lost:,} for each whose journal is lost."
        )


def bounds(settings: Settings) -> Bounds:
    return Bounds(
        killed=settings.smtp_connections * settings.smtp_window,
        power_lost=2 * settings.journal_flight,
        journal_lost=MOST * settings.slice_size,
    )
