"""The destinations that asked for less: one row each, shared by all workers. A healthy world has no row here.

What waits for one is held by it: `delivery.held_by`, with a `slot_at` once it has its turn, asleep without. Asleep it is due
at a guess; the answers of those before it wake the next ones, so that nothing is claimed again and again only to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import String, Text, bindparam, case, delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from syndication.ledger.base import Base, BigId, UtcDateTime
from syndication.ledger.bulk import among
from syndication.ledger.mailings import Delivery

_WAITS = ("pending", "deferred")
_UNSYNCED = {"synchronize_session": False}


class Destination(Base):
    """A provider, an MX host or a mail domain, and how it wants its mail (see `mail.pacing`)."""

    __tablename__ = "destination"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(8))  # slow | stopped | opening | blocked
    rate: Mapped[float]  # messages a second
    took: Mapped[float]
    most: Mapped[int | None]  # under way at once
    next_free: Mapped[datetime]
    paused_until: Mapped[datetime | None]
    probes: Mapped[int] = mapped_column(default=0)
    reply: Mapped[str] = mapped_column(Text, default="")
    since: Mapped[datetime]
    lowered_at: Mapped[datetime]
    raised_at: Mapped[datetime]


class Hold(NamedTuple):
    """A delivery that waits for a destination. `slot_at`: its turn, None while it sleeps."""

    delivery_id: int
    destination_id: int
    slot_at: datetime | None


def restricted(session: Session) -> dict[str, int]:
    """Name → id of all of them."""
    return dict(session.execute(select(Destination.name, Destination.id)).all())


def locked(session: Session, ids: Iterable[int]) -> list[Destination]:
    """Those that still are, in the order in which everybody locks them."""
    query = select(Destination).where(Destination.id.in_(list(ids))).order_by(Destination.name)
    return list(session.scalars(query.with_for_update().execution_options(populate_existing=True)))


def named(session: Session, name: str, *, fresh: dict[str, object] | None = None) -> Destination | None:
    """The row, locked. `fresh`: what to make it of where there is none."""
    if fresh is not None:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        session.execute(dialect.insert(Destination).values(name=name, **fresh).on_conflict_do_nothing())
    query = select(Destination).where(Destination.name == name).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).first()


def forget(session: Session, destination: Destination) -> None:
    """It is free again; who waited for it is due now, and the turns that it gave are none."""
    due_at = case((Delivery.due_at > destination.lowered_at, destination.lowered_at), else_=Delivery.due_at)
    session.execute(
        update(Delivery)
        .where(Delivery.held_by == destination.id, Delivery.state.in_(_WAITS))
        .values(held_by=None, slot_at=None, due_at=due_at),
        execution_options=_UNSYNCED,
    )
    session.execute(delete(Destination).where(Destination.id == destination.id), execution_options=_UNSYNCED)
    session.expunge(destination)


def hold(session: Session, holds: Sequence[Hold]) -> None:
    """Notes for whom these wait; they are written down already."""
    if holds:
        statement = (
            update(Delivery)
            .where(Delivery.id == bindparam("the_id"), or_(Delivery.state == "pending", Delivery.state == "deferred"))
            .values(held_by=bindparam("by"), slot_at=bindparam("slot", type_=UtcDateTime()))
        )
        session.connection().execute(
            statement, [{"the_id": h.delivery_id, "by": h.destination_id, "slot": h.slot_at} for h in holds]
        )


def anybody_waits(session: Session, destination_id: int) -> bool:
    """Whether some delivery waits for it, beside those that workers have in their hands."""
    query = select(Delivery.id).where(Delivery.held_by == destination_id, Delivery.state.in_(_WAITS))
    return session.execute(query.limit(1)).first() is not None


def under_way(session: Session, destination_id: int, but: Sequence[int]) -> int:
    """How many messages to it other slices have let go; what is claimed and not let go is held by nobody."""
    query = select(func.count()).where(Delivery.held_by == destination_id, Delivery.state == "sending")
    return session.scalar(query.where(~among(session, Delivery.id, but))) or 0


def mark(session: Session, destination_id: int, deliveries: Sequence[int]) -> None:
    """These are under way to it."""
    session.execute(
        update(Delivery).where(among(session, Delivery.id, deliveries)).values(held_by=destination_id, slot_at=None),
        execution_options=_UNSYNCED,
    )


def wake(session: Session, destination_id: int, most: int | None, now: datetime) -> None:
    """The first that sleep are due now: `most` of them, None for all."""
    asleep = (
        select(Delivery.id)
        .where(
            Delivery.held_by == destination_id,
            Delivery.slot_at.is_(None),
            Delivery.state.in_(_WAITS),
            Delivery.due_at > now,
        )
        .order_by(Delivery.priority, Delivery.due_at)
        .limit(most)
    )
    session.execute(
        update(Delivery).where(Delivery.id.in_(asleep), Delivery.state.in_(_WAITS)).values(due_at=now),
        execution_options=_UNSYNCED,
    )


def take_slots_back(session: Session, destination_id: int) -> None:
    """Turns that were given at another rate do not hold any more; who had them asks again at that time."""
    session.execute(
        update(Delivery)
        .where(Delivery.held_by == destination_id, Delivery.slot_at.is_not(None), Delivery.state.in_(_WAITS))
        .values(slot_at=None),
        execution_options=_UNSYNCED,
    )


def anybodys_turn_soon(session: Session, now: datetime) -> bool:
    """Whether some destination has given turns that are still to come."""
    query = select(Destination.id).where(Destination.state.in_(("slow", "opening")), Destination.next_free > now)
    return session.execute(query.limit(1)).first() is not None


def waiting(session: Session) -> dict[int, int]:
    """By destination how many deliveries wait for it."""
    held = text("delivery.held_by IS NOT NULL")  # literal, for the partial index
    query = select(Delivery.held_by, func.count()).where(held, Delivery.state.in_(_WAITS)).group_by(Delivery.held_by)
    return {id_: count for id_, count in session.execute(query) if id_ is not None}
