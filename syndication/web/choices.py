"""What there is to choose from on the pages of subscribers: cadences, time zones, languages."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import locales
from syndication.audience.wishes import zones
from syndication.audience.words import Words
from syndication.ledger.content import Notice, Publication

Pairs = list[tuple[str, str]]  # value, what a person reads


def cadence_choices(words: Words, publication: Publication) -> Pairs:
    """The cadences, each with when its mail comes."""
    weekday = locales.weekday(publication.weekly_on, words.language)
    return [
        ("at-once", words.at_once_when),
        ("daily", words.daily_when.format(time=publication.daily_at)),
        ("weekly", words.weekly_when.format(weekday=weekday, time=publication.daily_at)),
    ]


def zone_choices(chosen: str) -> list[tuple[str, Pairs]]:
    """By continent, UTC first; `chosen` is there too where it is an older name of a zone."""
    found: dict[str, Pairs] = {"UTC": [("UTC", "UTC")]}
    for name in sorted({*_places(), chosen} & zones() - {"UTC"}):
        continent, _, place = name.partition("/")
        found.setdefault(continent, []).append((name, (place or continent).replace("_", " ")))
    return list(found.items())


def language_choices(session: Session, publication: Publication, chosen: str) -> Pairs:
    """Languages by their own names; `chosen` is there even where the publication does not speak it."""
    tags = dict.fromkeys([*languages_of(session, publication), chosen])
    return [(tag, locales.own_name(tag)) for tag in tags]


def languages_of(session: Session, publication: Publication) -> list[str]:
    """The languages that the publication has a notice in, its own first."""
    query = select(Notice.language).where(Notice.publication_id == publication.id).distinct()
    return list(dict.fromkeys([publication.language, *sorted(session.scalars(query))]))


@cache
def _places() -> frozenset[str]:
    """One zone for each place that has rules of its own, as the tz database lists them."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return frozenset(row[2] for row in rows) & zones()
