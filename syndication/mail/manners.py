"""A slice and the destinations that asked for less: who of it may go now, and what its answers say about them.

Guarantees: turns are given under the destination's row lock, so that all workers together keep its pace; who has to wait goes
back with a time, and nobody waits for a destination but its own mail; no transaction is open while the DNS is asked.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from syndication.ledger import destinations
from syndication.ledger.claims import LAST_ANSWER, TRANSACTIONAL, Claimed, Outcome
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.destinations import Destination
from syndication.ledger.ladder import whole
from syndication.mail import headers
from syndication.mail.consequences import REFUSED
from syndication.mail.gate import Passed
from syndication.mail.meaning import meaning_of
from syndication.mail.pacing import Heard, Pace, after, is_over, released, slots
from syndication.mail.providers import PROVIDERS, Providers

log = structlog.get_logger(__name__)

SOON = timedelta(seconds=0.2)  # a turn so near is now
LATE = timedelta(seconds=1)  # a turn that was missed by more is no turn any more
UNPACED = datetime.min.replace(tzinfo=UTC)  # let go without a turn: before anybody knew of the pace there is now


@dataclass(slots=True)
class Turns:
    """`to`: delivery → the destination that let it go; `waiting`: who has to wait, and until when."""

    to: dict[int, str] = field(default_factory=dict)
    waiting: list[Outcome] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """What a slice's answers are judged by: its turns, the mail domain of each delivery, the seconds since it was let go."""

    turns: Turns = field(default_factory=Turns)
    domains: Mapping[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def domains_of(rows: Sequence[Claimed], passed: Passed) -> dict[int, str]:
    """Delivery → mail domain, in ASCII, for those whose address is known."""
    found = {}
    for row in rows:
        if row.edition_id is None:
            letter = passed.letters.get(row.id)
            address = headers.ascii_domain(letter.address).lower() if letter else ""
        else:
            person = passed.people.get(row.subscriber_id or 0)
            address = person.address_key if person else ""
        if address:
            found[row.id] = address.rpartition("@")[2]
    return found


def take_turns(
    db: Database, restricted: Mapping[str, int], rows: Sequence[Claimed], domains: Mapping[int, str], *,
    step: timedelta, ladder: Sequence[int], providers: Providers = PROVIDERS,
) -> Turns:  # fmt: skip
    """Of these deliveries, those to a restricted destination that may go now, and those that wait for it."""
    turns = Turns()
    names = providers.names(set(domains.values()))
    concerned: dict[int, list[Claimed]] = {}
    for row in rows:
        name = names.get(domains.get(row.id, ""), "")
        if name in restricted:
            concerned.setdefault(restricted[name], []).append(row)
    if not concerned:
        return turns
    with db.transaction() as session:
        now = ledger_now(session)
        for destination in destinations.locked(session, concerned):
            pace = _pace(destination)
            if is_over(pace, now):
                destinations.forget(session, destination)
                continue
            mine = sorted(concerned[destination.id], key=lambda row: (row.kind != TRANSACTIONAL, row.id))
            _give(session, destination, pace, mine, now, turns, step, whole(ladder))
    return turns


def hear(
    session: Session, told: Told, outcomes: Sequence[Outcome], step: timedelta, providers: Mapping[str, str]
) -> tuple[list[Outcome], list[Destination]]:
    """The outcomes as they are to be written down, those refused for a destination's sake held by it; and the destinations
    whose next ones are to be woken when that is done. `providers`: domain → destination (see `providers_of`)."""
    now = ledger_now(session)
    in_turn = set(told.turns.to.values())
    by_name: dict[str, Heard] = {}
    refused: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        name = told.turns.to.get(outcome.delivery_id) or providers.get(told.domains.get(outcome.delivery_id, ""))
        if name is not None and outcome.state in (*REFUSED, "sent"):
            asked_at = now - timedelta(seconds=told.seconds) if name in in_turn else UNPACED
            heard = by_name.setdefault(name, Heard(asked_at, told.seconds))
            if _note(heard, outcome):
                refused.setdefault(name, []).append(outcome)
    instead: dict[int, Outcome] = {}
    awake: list[Destination] = []
    concerned = set(refused) | in_turn
    waiting = {outcome.held_by for outcome in outcomes}
    for name in sorted(concerned & set(by_name)):
        destination = _judge(session, name, by_name[name], now, step, waiting)
        if destination is not None:
            instead |= _held(destination, refused.get(name, ()), now)
            if by_name[name].sent:  # else it takes nothing now, and each waits its own time
                awake.append(destination)
    return [instead.get(outcome.delivery_id, outcome) for outcome in outcomes], awake


def providers_of(told: Told, outcomes: Sequence[Outcome], providers: Providers = PROVIDERS) -> dict[str, str]:
    """Domain → destination for a slice's domains, where some answer speaks of a destination; else nothing is asked."""
    speaks = any(o.state in REFUSED and meaning_of(o.reply).destination != "fine" for o in outcomes)
    return providers.names(set(told.domains.values())) if speaks else {}


def wake_next(session: Session, awake: Sequence[Destination], step: timedelta) -> None:
    """As many of those asleep as can have their turn within a step."""
    now = ledger_now(session)
    for destination in awake:
        if _pace(destination).is_open and destination.next_free < now + step / 2:
            most = max(1, math.ceil(destination.rate * step.total_seconds()))
            destinations.wake(session, destination.id, most, now)


def release(session: Session, destination: Destination) -> None:
    """It is sent to again, at half of what it took, all that waits for it first."""
    now = ledger_now(session)
    _write(destination, released(_pace(destination), now))
    destinations.wake(session, destination.id, None, now)


def _give(
    session: Session, destination: Destination, pace: Pace, rows: list[Claimed], now: datetime, turns: Turns,
    step: timedelta, longest: timedelta,
) -> None:  # fmt: skip
    gap = timedelta(seconds=1 / pace.rate)
    go: list[Claimed] = []
    asleep: list[Claimed] = []
    until = now + step
    if pace.paused_until is not None and pace.paused_until > now:
        asleep, until = rows, pace.paused_until
    elif not pace.is_open:
        free = destinations.under_way(session, destination.id, [row.id for row in rows]) == 0
        go, asleep = rows[: int(free)], rows[int(free) :]
    else:
        in_turn = [row for row in rows if row.slot_at is not None and now - LATE <= row.slot_at <= now + SOON]
        at_once = [row for row in rows if row.kind == TRANSACTIONAL and row not in in_turn]
        others = [row for row in rows if row.kind != TRANSACTIONAL and row not in in_turn]
        destination.next_free = max(pace.next_free, now) + gap * len(at_once)
        given, destination.next_free = slots(replace(pace, next_free=destination.next_free), now, len(others), step)
        due = sum(slot <= now + SOON for slot in given)
        go, later, asleep = at_once + in_turn + others[:due], others[due : len(given)], others[len(given) :]
        if pace.most is not None and len(go) > len(at_once):
            room = pace.most - destinations.under_way(session, destination.id, [row.id for row in rows])
            keep = max(len(at_once), room)
            go, asleep = go[:keep], go[keep:] + asleep
        for row, slot in zip(later, given[due:], strict=True):
            turns.waiting.append(_waits(destination, row, slot, slot))
        until = max(until, destination.next_free) if later else now + timedelta(seconds=1)
    for number, row in enumerate(asleep):
        since = max(row.created_at, pace.since)
        if pace.state == "blocked" and now - since > longest:
            reason = (
                f"given up: {destination.name} refuses our mail since {pace.since:%Y-%m-%d}{LAST_ANSWER}{pace.reply}"
            )
            turns.waiting.append(Outcome(row.id, "failed", reason))
        else:
            turns.waiting.append(_waits(destination, row, until + gap * number, None))
    if go:
        destinations.mark(session, destination.id, [row.id for row in go])
    turns.to |= {row.id: destination.name for row in go}


def _waits(destination: Destination, row: Claimed, due_at: datetime, slot_at: datetime | None) -> Outcome:
    reason = f"waits for {destination.name} ({destination.state}): {destination.reply}"[:1_000]
    return Outcome(row.id, "pending", reason, due_at, held_by=destination.id, slot_at=slot_at)


def _note(heard: Heard, outcome: Outcome) -> bool:
    """Counts one answer; whether it was refused for the destination's sake."""
    if outcome.state == "sent":
        heard.sent += 1
        return False
    meaning = meaning_of(outcome.reply)
    if meaning.destination == "fine":
        return False
    heard.slow += meaning.destination == "slow"
    heard.stop += meaning.destination == "stop"
    heard.blocked += meaning.destination == "block"
    heard.pause_seconds = max(heard.pause_seconds, meaning.pause_seconds)
    heard.reply = outcome.reply
    return True


def _judge(
    session: Session, name: str, heard: Heard, now: datetime, step: timedelta, waiting: Collection[int | None]
) -> Destination | None:
    """The destination's row as it stands after what was heard; None where it is free. `waiting`: the destinations that this
    slice's deliveries wait for."""
    destination = destinations.named(session, name)
    if destination is not None:
        heard.more_waits = destination.id in waiting or destinations.anybody_waits(session, destination.id)
    pace = after(_pace(destination) if destination else None, heard, now, step)
    if pace is None:
        if destination is not None:
            log.info("mail.destination_free", destination=name)
            destinations.forget(session, destination)
        return None
    if destination is None:
        destination = destinations.named(session, name, fresh=asdict(pace))
        assert destination is not None
        pace = pace if _pace(destination) == pace else after(_pace(destination), heard, now, step) or pace
    if pace.lowered_at == now:
        level = log.error if pace.state == "blocked" else log.warning
        level("mail.destination", destination=name, state=pace.state, rate=round(pace.rate, 2), reply=pace.reply)
        destinations.take_slots_back(session, destination.id)
    _write(destination, pace)
    return destination


def _held(destination: Destination, refused: Sequence[Outcome], now: datetime) -> dict[int, Outcome]:
    """Those that were refused for its sake, waiting for it; the try does not count."""
    held = {}
    for number, outcome in enumerate(refused):
        if meaning_of(outcome.reply).destination == "block" and destination.state != "blocked":
            continue  # one mail's own refusal
        due = None
        if destination.paused_until is not None:
            due = max(now, destination.paused_until) + timedelta(seconds=number / destination.rate)
        held[outcome.delivery_id] = replace(
            outcome, state="deferred", free=True, due_at=due, held_by=destination.id, once_more=False
        )
    return held


_NAMES = tuple(f.name for f in fields(Pace))


def _pace(destination: Destination) -> Pace:
    return Pace(**{name: getattr(destination, name) for name in _NAMES})


def _write(destination: Destination, pace: Pace) -> None:
    for name in _NAMES:
        setattr(destination, name, getattr(pace, name))
