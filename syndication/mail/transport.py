"""How mail leaves: the one interface of a relay and a maildir, chosen by `mail_url`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from syndication.errors import BadInput, TryLater
from syndication.settings import Settings


class TransportTrouble(TryLater):
    """The way out is blocked and nothing was handed over; it is nobody's delivery that failed."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message ready for the wire. `name` identifies it for ever (`<id>.delivery`); `data` has CRLF line ends."""

    name: str
    sender: str
    recipient: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """`state`: sent | deferred | failed | unknown (handed over, and the answer was lost)."""

    state: Literal["sent", "deferred", "failed", "unknown"]
    reply: str


class Transport(Protocol):
    def send(self, parcel: Parcel) -> Receipt:
        """Hands one message over. Raises TransportTrouble where it did not even begin."""
        ...

    def kept(self, name: str) -> bool | None:
        """Whether a message was handed over, asked after a crash; None where that cannot be known."""
        ...

    def close(self) -> None: ...


def open_transport(settings: Settings) -> Transport:
    """The transport that `SYNDICATION_MAIL_URL` names. Connects when the first message goes."""
    from syndication.mail.maildir import Maildir
    from syndication.mail.smtp import Relay

    url = settings.resolved_mail_url
    if url.startswith("maildir:"):
        return Maildir(Path(url.removeprefix("maildir:")))
    if url.startswith(("smtp://", "smtps://")):
        return Relay(url, timeout=settings.smtp_timeout_seconds)
    raise BadInput(
        f"{url.split(':', 1)[0]!r} is no way to send mail;",
        where="SYNDICATION_MAIL_URL",
        remedy="write smtp://user:password@host:port, smtps://… or maildir:PATH.",
    )
