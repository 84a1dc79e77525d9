"""How mail leaves: the one interface of a relay and a maildir, chosen by `mail_url`.

A transport pulls: it asks its `Outgoing` for messages as it has room for them, asks once more before each one's bytes go, and
tells what became of them. So the sender's gate, lease and journal stand between any message and the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

from syndication.errors import TryLater
from syndication.settings import Settings

PATIENCE = 3_600.0  # seconds, where nobody sets a limit
SHARED_OUT: Final = "every relay has had its share for now"


class TransportTrouble(TryLater):
    """The way out is blocked and nothing was handed over; it is nobody's delivery that failed."""


class LimitReached(TransportTrouble):
    """Every relay has had what it takes for now; mail is due again at `again_at`."""

    def __init__(self, again_at: datetime) -> None:
        super().__init__(
            f"{SHARED_OUT};",
            where="relays",
            remedy="it goes on by itself, or raise the limits.",
        )
        self.again_at = again_at


@dataclass(slots=True, eq=False)
class Parcel:
    """One message ready for the wire. `name` identifies it for ever (`<id>.delivery`); `data` has CRLF line ends.

    `plain`: who made it vouches that it is 7-bit, ends with a line end, and that no line begins with a dot.
    """

    name: str
    sender: str
    recipient: str
    data: bytes
    plain: bool = False


class Receipt(NamedTuple):
    """`state`: sent | deferred | failed | unknown (handed over, and the answer was lost) | unfit (not handed over: the relay
    takes no such mail, whoever it is for)."""

    state: Literal["sent", "deferred", "failed", "unknown", "unfit"]
    reply: str


Answer = tuple[Parcel, Receipt]


class Outgoing(Protocol):
    """The sender's side."""

    def next(self, most: int) -> Sequence[Parcel]:
        """Up to `most` messages to send next; none: there is nothing more now."""
        ...

    def takes_time(self, most: int) -> bool:
        """Whether `next(most)` has to make something ready first."""
        ...

    def going(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        """For each: may its bytes go now? What is refused here is not heard of again."""
        ...

    def done(self, answers: Sequence[Answer]) -> None:
        """What became of messages that went, or that the relay refused before."""
        ...


class Transport(Protocol):
    def carry(self, outgoing: Outgoing, patience: float = PATIENCE) -> None:
        """Sends until `outgoing` has nothing more and everything that went is answered, `patience` seconds at most: what
        is not answered then is told as unknown. Raises TransportTrouble where the way out is blocked; what was handed
        over is told before, and what was not is still the sender's."""
        ...

    def kept(self, name: str) -> bool | None:
        """Whether a message was handed over, asked after a crash; None where that cannot be known."""
        ...

    def close(self) -> None: ...


class _One:
    """An `Outgoing` of one message, for mail outside the ledger."""

    def __init__(self, parcel: Parcel) -> None:
        self.waiting = [parcel]
        self.receipt: Receipt | None = None

    def next(self, most: int) -> Sequence[Parcel]:
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    def takes_time(self, most: int) -> bool:
        return False

    def going(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        return [True] * len(parcels)

    def done(self, answers: Sequence[Answer]) -> None:
        for _, self.receipt in answers:
            pass


def send_one(transport: Transport, parcel: Parcel) -> Receipt:
    """One message, now. Raises TransportTrouble where it did not even begin."""
    one = _One(parcel)
    transport.carry(one)
    assert one.receipt is not None, "a transport tells of every message or raises"
    return one.receipt


def open_transport(settings: Settings) -> Transport:
    """The transport that `SYNDICATION_MAIL_URL` names. Connects when the first message goes."""
    from syndication.mail.maildir import Maildir
    from syndication.mail.smtp import Relay

    url = settings.resolved_mail_url
    if url.startswith("maildir:"):
        return Maildir(Path(url.removeprefix("maildir:")))
    return Relay(
        url, timeout=settings.smtp_timeout_seconds, connections=settings.smtp_connections, window=settings.smtp_window
    )
