"""Keep what publication.toml and series.toml say: the publication, its notices, its series and their feeds.

A change that readers can see takes the publication's next number, and every feed is owed. A ledger has one publication: a tree
of another is refused in words.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import BadInput
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.disclaimers import STANDARD
from syndication.intake.tree import PUBLICATION, SERIES, PublicationFile, is_slug, read_publication, read_series
from syndication.ledger.content import Publication, Series
from syndication.ledger.lookup import the_publication
from syndication.press import touch
from syndication.publishing import add_notice


def keep_publication(session: Session, file: Path) -> Publication:
    """Raises BadInput where the file is wrong or the ledger belongs to another publication."""
    said = read_publication(file, PUBLICATION)
    imprint = said.publication
    publication = session.scalars(select(Publication).limit(1)).first()
    if publication is not None and publication.slug != imprint.slug:
        raise BadInput(
            f"this ledger belongs to {publication.slug}, the tree to {imprint.slug};",
            where=PUBLICATION,
            remedy="give each publication a data directory of its own (SYNDICATION_DATA_DIR).",
        )
    fresh = publication is None
    if publication is None:
        host = urlsplit(imprint.url).hostname or "localhost"
        publication = Publication(
            slug=imprint.slug, tag_authority=host, tag_date=clock.now().date().isoformat(), created_at=clock.now()
        )
        session.add(publication)
    changed = _set(publication, said)
    session.flush()
    ensure_feed(session, publication, "all", "all", [])
    for language, template in _notices(said).items():
        changed |= add_notice(session, publication, language, template).fresh
    if changed and not fresh:
        touch(session, publication.id)
    return publication


def keep_series(session: Session, folder: Path) -> Series:
    """The series of a folder; its slug is the folder's name."""
    if not is_slug(folder.name):
        raise BadInput(
            f"{folder.name!r} cannot be the slug of a series;",
            where=f"{folder.name}/",
            remedy="name the folder in small letters, digits and hyphens, and neither all nor scope-….",
        )
    said = read_series(folder / SERIES, f"{folder.name}/{SERIES}")
    publication = the_publication(session)
    series = session.scalars(select(Series).where(Series.slug == folder.name)).first()
    fresh = series is None
    if series is None:
        series = Series(publication_id=publication.id, slug=folder.name, created_at=clock.now())
        session.add(series)
    before = None if fresh else (series.title, series.description, series.order, series.note)
    series.title, series.description, series.order, series.note = said.title, said.description, said.order, said.note
    session.flush()
    ensure_feed(session, publication, series.slug, "series", [series.id])
    if not fresh and before != (series.title, series.description, series.order, series.note):
        touch(session, publication.id)
    return series


def _set(publication: Publication, said: PublicationFile) -> bool:
    imprint, mail = said.publication, said.mail
    host = urlsplit(imprint.url).hostname or "localhost"
    values: dict[str, object] = {
        "name": imprint.name, "also_known_as": imprint.also_known_as, "url": imprint.url, "language": imprint.language,
        "timezone": imprint.timezone,
        "supporters_url": imprint.supporters_url, "postal_address": imprint.postal_address,
        "default_series": imprint.default_series, "pages": imprint.pages,
        "mail_from": mail.sender or f"{imprint.name} <news@{host}>", "reply_to": mail.reply_to,
        "daily_at": mail.daily_at, "weekly_on": mail.weekly_on,
    }  # fmt: skip
    changed = False
    for key, value in values.items():
        if getattr(publication, key, None) != value:
            setattr(publication, key, value)
            changed = True
    return changed


def _notices(said: PublicationFile) -> dict[str, str]:
    """Language → template. The publication's language always has one; a language without standard wording needs its text."""
    wanted = {said.publication.language: "", **{tag: part.text for tag, part in said.disclaimer.items()}}
    templates: dict[str, str] = {}
    for tag, text in wanted.items():
        standard = STANDARD.get(tag) or STANDARD.get(tag.split("-")[0].lower(), "")
        if not text and not standard:
            raise BadInput(
                f"there is no standard disclaimer in {tag};",
                where=PUBLICATION,
                remedy=f"write it: [disclaimer.{tag}] with `text`.",
            )
        templates[tag] = text or standard
    return templates
