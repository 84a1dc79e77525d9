"""Several relays as one way out: in their order, each within its limits, the next where one cannot be reached or refuses us.

Guarantees: the limits hold for all workers together (`ledger.relay_use`); what one relay was given and did not begin, or
refused because of us, goes by the next, and the last one's word counts; where every relay has had its share nothing fails and
nothing spins: mail is due again when the first of them may go on. Nobody waits for a relay's second longer than there is time
for the answers, nor while answers are still to be heard.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.ledger import relay_use
from syndication.ledger.content import Publication
from syndication.ledger.db import Database
from syndication.ledger.relay_use import Limits
from syndication.mail import headers
from syndication.mail.consequences import REFUSED, SOUR
from syndication.mail.meaning import meaning_of
from syndication.mail.relays import profile_of, relay_of
from syndication.mail.smtp import Relay
from syndication.mail.transport import (
    PATIENCE,
    Answer,
    LimitReached,
    Outgoing,
    Parcel,
    Transport,
    TransportTrouble,
    open_transport,
)
from syndication.settings import RelaySettings, Settings
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

TRY_AGAIN = timedelta(seconds=30)  # a relay that could not be reached
AT_ONCE = 500  # messages taken from a limit that does not count seconds


@dataclass(slots=True)
class Member:
    """One relay of the fleet."""

    name: str
    limits: Limits
    relay: Relay


class Metered:
    """An `Outgoing` in front of another, for one relay: gives no more than the relay's limits, which are reached until
    `again_at`. `rest`: what was given and neither went nor was answered, for the next relay. `exempt`: counted, not held back.

    `last`: no other relay follows. One that is not, and refuses `SOUR` messages in a row because of us, gets no more: `refused`
    has its words, and what it refused so is `rest` too.
    """

    def __init__(
        self, outgoing: Outgoing, db: Database, member: Member, rest: deque[Parcel], *, ends: float, last: bool,
        exempt: bool = False,
    ) -> None:  # fmt: skip
        self.rest = rest
        self.again_at: datetime | None = None
        self.refused = ""
        self._outgoing, self._db, self._member, self._exempt = outgoing, db, member, exempt
        self._ends, self._last = ends, last
        self._given: dict[str, Parcel] = {}
        self._sour: list[Answer] = []  # not told yet: fewer may be one recipient's own idea, more are the relay's
        self._share = self._went = 0
        self._opens = 0.0

    @property
    def has_share(self) -> bool:
        """Whether the relay may have a message now; waits for its second, unless answers are to be heard meanwhile."""
        if self.refused or not (self._share > 0 or self._take()):
            return False
        wait = self._opens - time.monotonic()
        if wait > 0 and len(self._given) > len(self._sour):
            return False  # one asks again with each answer
        time.sleep(max(0.0, wait))
        return True

    def next(self, most: int) -> Sequence[Parcel]:
        if not self.has_share:
            return ()
        most = min(most, self._share)
        parcels = [self.rest.popleft() for _ in range(min(most, len(self.rest)))]
        if len(parcels) < most:
            parcels += self._outgoing.next(most - len(parcels))
        if not parcels and self._sour:  # they keep their slice open
            self._tell(self._sour)
            self._sour.clear()
            parcels += self._outgoing.next(most)
        self._share -= len(parcels)
        self._given |= {parcel.name: parcel for parcel in parcels}
        return parcels

    def takes_time(self, most: int) -> bool:
        return self._share == 0 or (len(self.rest) < most and self._outgoing.takes_time(most))

    def going(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        may = self._outgoing.going(parcels)
        for parcel, allowed in zip(parcels, may, strict=True):
            if not allowed:
                self._given.pop(parcel.name, None)
                self._share += 1
        return may

    def done(self, answers: Sequence[Answer]) -> None:
        told: list[Answer] = []
        for answer in answers:
            state, reply = answer[1]
            if not self._last and state in REFUSED and meaning_of(reply).relay == "trouble":
                self._sour.append(answer)
                if len(self._sour) >= SOUR:
                    self.refused = self.refused or reply
            elif state == "sent" and not self.refused:
                told += [*self._sour, answer]
                self._sour.clear()
            else:
                told.append(answer)
        self._tell(told)

    def end(self) -> None:
        """What the relay was given and did not take is for the next one, and counts for nobody."""
        if self._sour and not self.refused:
            self._tell(self._sour)
        unused = -self._went if self._exempt else self._share + len(self._given)
        self.rest.extend(self._given.values())
        self._given.clear()
        self._share = 0
        if unused and self._member.limits != Limits():
            with self._db.transaction() as session:
                relay_use.give_back(session, self._member.name, unused)

    def _tell(self, answers: Sequence[Answer]) -> None:
        for parcel, _ in answers:
            self._given.pop(parcel.name, None)
        self._went += len(answers)
        self._outgoing.done(answers)

    def _take(self) -> bool:
        if self._exempt or self._member.limits == Limits():
            self._share = AT_ONCE
            return True
        with self._db.transaction() as session:
            longest = max(0.0, self._ends - time.monotonic()) / 2
            share = relay_use.take(session, self._member.name, self._member.limits, AT_ONCE, longest)
        self._share, self.again_at = share.messages, share.again_at
        self._opens = time.monotonic() + share.in_seconds
        return share.messages > 0


class Fleet:
    """A `Transport` of several relays. `exempt`: mail that no limit holds back, letters."""

    def __init__(self, db: Database, members: Sequence[Member], *, exempt: bool = False) -> None:
        self._db, self._members, self._exempt = db, members, exempt

    def carry(self, outgoing: Outgoing, patience: float = PATIENCE) -> None:
        """See `Transport`. Raises `LimitReached` where all that can be used are full, else the last one's trouble."""
        ends = time.monotonic() + patience
        rest: deque[Parcel] = deque()
        full: list[datetime] = []
        trouble: TransportTrouble | None = None
        for member in self._members:
            last = member is self._members[-1]
            metered = Metered(outgoing, self._db, member, rest, ends=ends, last=last, exempt=self._exempt)
            try:
                if metered.has_share:  # before anything is claimed for it
                    rest.extend(() if rest else outgoing.next(1))
                    if not rest:
                        return
                    member.relay.carry(metered, max(1.0, ends - time.monotonic()))
            except TransportTrouble as error:
                trouble = error
                log.warning("mail.relay_unusable", relay=member.name, reason=str(error))
                continue
            finally:
                metered.end()
            if metered.refused:
                trouble = _refuses_us(member.name, metered.refused)
                log.error("mail.relay_refuses_us", relay=member.name, reply=metered.refused)
            elif metered.again_at is not None:
                full.append(metered.again_at)
            else:
                return
        if full:
            soon = [clock.now() + TRY_AGAIN] if trouble else []
            raise LimitReached(min(full + soon))
        raise trouble or TransportTrouble(
            "no relay is for this publication;", where="relays", remedy="name it in publications, or leave that out."
        )

    def kept(self, name: str) -> bool | None:
        return None

    def close(self) -> None:
        for member in self._members:
            member.relay.close()


def _refuses_us(name: str, reply: str) -> TransportTrouble:
    return TransportTrouble(
        f"the relay {name} refuses our mail: {reply};", where="relays", remedy=meaning_of(reply).advice
    )


def way_out(wiring: Wiring, *, exempt: bool = False) -> Transport:
    """The fleet of `relays`, else what `mail_url` names, within the limit that its service has for everybody.

    `exempt`: for letters, which no limit holds back.
    """
    settings, relays = wiring.settings, wiring.settings.relays
    if not relays:
        if not relay_of(settings).per_minute:
            return open_transport(settings)
        relays = (RelaySettings(url=settings.mail_url),)
    with wiring.db.reading() as session:
        publication = session.scalars(select(Publication).limit(1)).first()
    slug, domain = "", ""
    if publication is not None:
        slug = publication.slug
        domain = headers.ascii_domain(headers.parsed_mailbox(publication.mail_from)[1]).rpartition("@")[2].lower()
    members = [
        Member(
            one.label,
            _limits(one),
            Relay(
                one.url, timeout=settings.smtp_timeout_seconds, connections=settings.smtp_connections,
                window=settings.smtp_window,
            ),
        )
        for one in relays
        if _carries(one, slug, domain)
    ]  # fmt: skip
    return Fleet(wiring.db, members, exempt=exempt)


def full(session: Session, settings: Settings) -> list[tuple[str, datetime]]:
    """The relays that have had their share, each until when."""
    found = [(one.label, relay_use.full_until(session, one.label, _limits(one))) for one in settings.relays]
    return [(name, until) for name, until in found if until is not None]


def _limits(relay: RelaySettings) -> Limits:
    per_second = relay.per_second or profile_of(relay.url).per_minute / 60
    return Limits(per_second, relay.per_hour, relay.per_day, tuple(relay.warmup))


def _carries(relay: RelaySettings, slug: str, domain: str) -> bool:
    """Whether it is for this publication and From domain; one that names none is for all."""
    return (not relay.publications or slug in relay.publications) and (
        not relay.from_domains or domain in {name.lower() for name in relay.from_domains}
    )
