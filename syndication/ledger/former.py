"""Slugs that series and entries had: their addresses lead (301) to the present ones, and belong to the same thing for ever."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from syndication.ledger.base import Base, BigId
from syndication.ledger.content import Entry, Series


class FormerSeries(Base):
    """A slug that a series had. Nobody else may take it."""

    __tablename__ = "former_series"
    __table_args__ = (UniqueConstraint("publication_id", "slug"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    slug: Mapped[str] = mapped_column(String(100))


class FormerEntry(Base):
    """A slug that an entry had in its series after it was first published."""

    __tablename__ = "former_entry"
    __table_args__ = (UniqueConstraint("series_id", "slug"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    slug: Mapped[str] = mapped_column(String(200))


def present_slugs(session: Session) -> dict[str, str]:
    """Former slug of a series → its present one."""
    found = select(FormerSeries.slug, Series.slug.label("now")).join(Series, Series.id == FormerSeries.series_id)
    return {row.slug: row.now for row in session.execute(found)}


def slugs_of(session: Session, series: Series) -> list[str]:
    """Those that a series had before."""
    mine = select(FormerSeries.slug).where(FormerSeries.series_id == series.id)
    return list(session.scalars(mine.order_by(FormerSeries.id)))


def series_at(session: Session, slug: str) -> Series | None:
    """The series that has the slug, or had it."""
    found = session.scalars(select(Series).where(Series.slug == slug)).first()
    if found is None:
        had = select(FormerSeries.series_id).where(FormerSeries.slug == slug)
        found = session.scalars(select(Series).where(Series.id.in_(had))).first()
    return found


def entry_at(session: Session, series_id: int, slug: str) -> Entry | None:
    """The entry of the series that has the slug, or had it."""
    mine = select(Entry).where(Entry.series_id == series_id)
    found = session.scalars(mine.where(Entry.slug == slug)).first()
    if found is None:
        had = select(FormerEntry.entry_id).where(FormerEntry.series_id == series_id, FormerEntry.slug == slug)
        found = session.scalars(mine.where(Entry.id.in_(had))).first()
    return found
