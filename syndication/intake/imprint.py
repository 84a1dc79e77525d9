"""Keep what publication.toml and series.toml say: the publication, its notices, its series and their feeds.

A change that readers can see takes the publication's next number, and every feed is owed. A ledger has one publication: a tree
of another is refused in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.defining import Definition, define, known_series
from syndication.errors import BadInput, Conflict
from syndication.feeds.archives import forget_digests
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.disclaimers import STANDARD
from syndication.feeds.naming import is_name
from syndication.intake.tree import PUBLICATION, SERIES, PublicationFile, read_publication, read_series
from syndication.ledger import former
from syndication.ledger.content import Feed, Publication, Series
from syndication.ledger.lookup import the_publication
from syndication.press import touch
from syndication.publishing import add_notice
from syndication.renaming import had_before, rename_series


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
    borders = publication.timezone, publication.weekly_on
    changed = _set(publication, said)
    if not fresh and borders != (publication.timezone, publication.weekly_on):
        forget_digests(session, publication.id)
    session.flush()
    ensure_feed(session, publication, "all", "all", [])
    for language, template in _notices(said).items():
        changed |= add_notice(session, publication, language, template).fresh
    if changed and not fresh:
        touch(session, publication.id)
    folders = {folder.name for folder in file.parent.iterdir() if folder.is_dir()}
    for part in said.feeds:
        where = f"{PUBLICATION}, feed {part.name}"
        known_series(session, [slug for slug in part.series if slug not in folders], where)
        if part.name in folders:
            raise Conflict(f"{part.name!r} is a series;", where=where, remedy="choose another name for the feed.")
        define(session, publication, Definition(**part.model_dump()), where=where)
    return publication


def keep_series(session: Session, folder: Path) -> Series:
    """The series of a folder; its slug is the folder's name, unless the series was renamed by hand since. A folder of a new
    name is the series that `formerly` names, renamed."""
    if not is_name(folder.name):
        raise BadInput(
            f"{folder.name!r} cannot be the slug of a series;",
            where=f"{folder.name}/",
            remedy="name the folder in small letters, digits and hyphens, and not all, by, on, in, private or scope-….",
        )
    where = f"{folder.name}/{SERIES}"
    said = read_series(folder / SERIES, where)
    publication = the_publication(session)
    series = former.series_at(session, folder.name) or _renamed(session, said.formerly, folder.name, where)
    fresh = series is None
    if series is None:
        # A series' own feed was made by another import this very moment: then the series meets its key and is read once more.
        others = select(Feed.id).where(Feed.name == folder.name, Feed.kind != "series")
        if session.scalars(others).first() is not None:
            raise Conflict(
                f"there is a feed {folder.name!r} already;",
                where=f"{folder.name}/",
                remedy="give the series another name, or end that feed and define it under another.",
            )
        series = Series(publication_id=publication.id, slug=folder.name, created_at=clock.now())
        session.add(series)
    before = None if fresh else _facts(series)
    series.title, series.description, series.order, series.note = said.title, said.description, said.order, said.note
    series.ended = said.ended
    session.flush()
    ensure_feed(session, publication, series.slug, "series", [series.id])
    for slug in said.formerly:
        had_before(session, series, slug, where=where)
    if not fresh and before != _facts(series):
        touch(session, publication.id)
    return series


def _renamed(session: Session, formerly: Sequence[str], slug: str, where: str) -> Series | None:
    """The series that had one of these slugs, under its new one."""
    found = (former.series_at(session, was) for was in formerly)
    series = next((one for one in found if one is not None), None)
    if series is not None:
        rename_series(session, series, slug, where=where)
    return series


def _facts(series: Series) -> tuple[object, ...]:
    return series.title, series.description, series.order, series.note, series.ended


def _set(publication: Publication, said: PublicationFile) -> bool:
    imprint, mail = said.publication, said.mail
    host = urlsplit(imprint.url).hostname or "localhost"
    values: dict[str, object] = {
        "name": imprint.name, "also_known_as": imprint.also_known_as, "url": imprint.url, "language": imprint.language,
        "timezone": imprint.timezone,
        "supporters_url": imprint.supporters_url, "postal_address": imprint.postal_address,
        "default_series": imprint.default_series, "pages": imprint.pages,
        "mail_from": mail.sender or f"news@{host}", "reply_to": mail.reply_to,
        "daily_at": mail.daily_at, "weekly_on": mail.weekly_on, "unknown": mail.unknown,
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
