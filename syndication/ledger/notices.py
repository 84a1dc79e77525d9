"""The disclaimer as the ledger keeps it: the newest version in a language, or the version something was sent with."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.content import PublishedNotice
from syndication.errors import NeedsHuman
from syndication.ledger.content import Notice, Publication


def current(session: Session, publication_id: int, language: str) -> PublishedNotice:
    """The notice for a text in `language`: that tag, else its base language, else the publication's language."""
    known: dict[tuple[int, str], PublishedNotice] = session.info.get("looked_up", {})
    asked = publication_id, language
    if asked not in known:
        known[asked] = _current(session, publication_id, language)
    return known[asked]


def _current(session: Session, publication_id: int, language: str) -> PublishedNotice:
    own = language_of(session, publication_id)
    for tag in dict.fromkeys((language, language.split("-")[0], own, own.split("-")[0])):
        notice = session.scalars(
            select(Notice)
            .where(Notice.publication_id == publication_id, Notice.language == tag)
            .order_by(Notice.version.desc())
            .limit(1)
        ).first()
        if notice is not None:
            return as_published(notice)
    raise NeedsHuman(
        f"the publication has no disclaimer in {language} or {own};",
        where="publication.toml",
        remedy=f"add [disclaimer.{own}] and import it again.",
    )


def language_of(session: Session, publication_id: int) -> str:
    """The publication's own, which a text without one has."""
    return session.get_one(Publication, publication_id).language


def by_id(session: Session, notice_id: int) -> PublishedNotice:
    return as_published(session.get_one(Notice, notice_id))


def as_published(notice: Notice) -> PublishedNotice:
    return PublishedNotice(
        id=notice.id, language=notice.language, version=notice.version, text=notice.text, html=notice.html
    )
