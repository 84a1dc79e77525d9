"""What a person wants, read from a form or a list: whose address, which series, how often, where and in which language.

Guarantees: a record that comes out of here names series that exist, a cadence, a time zone and a language that the rest of
the service understands; what was left out has the publication's default.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.audience.addresses import Address, parse
from syndication.errors import BadInput
from syndication.ledger.former import FormerSeries
from syndication.ledger.tables import Publication, Series

CADENCES: Final = ("at-once", "daily", "weekly")
DEFAULT_CADENCE: Final = "daily"
EVERYTHING: Final = 0  # the scope of `all`; every other scope is a series id
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_LONGEST_NAME = 200
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of `POST /subscribe`, as they came. `series`: slugs or `all`; "" and () are left out."""

    email: str
    series: tuple[str, ...] = ()
    cadence: str = ""
    timezone: str = ""
    language: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an act came from. `via` names the door: form, confirm page, one-click, command line, list."""

    ip: str = ""
    user_agent: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A form that was understood. `scopes`: series ids in order, or (0,) for all."""

    address: Address
    scopes: tuple[int, ...]
    cadence: str
    timezone: str
    language: str
    name: str


def understand(
    session: Session, publication: Publication, form: Form, series: Mapping[str, int] | None = None
) -> Wanted:
    """Raises BadInput whose `where` is the field's name. `series` is `known_series`, for who asks often."""
    return Wanted(
        address=parse(form.email),
        scopes=scopes_named(publication, form.series, series or known_series(session, publication.id)),
        cadence=cadence_named(form.cadence or DEFAULT_CADENCE),
        timezone=zone_named(form.timezone or publication.timezone),
        language=language_named(form.language or publication.language),
        name=plain_name(form.name),
    )


def plain_name(text: str) -> str:
    """A name on one line, without what controls how text is shown (joiners stay, since names need them), nor what would make
    it a formula where somebody opens an export in a spreadsheet."""
    shown = (c for c in " ".join(text.split()) if c in _JOINERS or unicodedata.category(c)[0] != "C")
    return "".join(shown).lstrip("=+-@ ")[:_LONGEST_NAME]


def scopes_named(publication: Publication, names: Iterable[str], known: Mapping[str, int]) -> tuple[int, ...]:
    """The scopes of slugs; `all` swallows the rest; nothing named: the default series, else all."""
    wanted = {name.strip() for name in names} - {""}
    if "all" in wanted:
        return (EVERYTHING,)
    if not wanted:
        default = publication.default_series
        return (known[default],) if default and default in known else (EVERYTHING,)
    for name in sorted(wanted - known.keys()):
        raise BadInput(
            f"there is no series {name[:80]!r};", where="series", remedy=f"choose among all, {', '.join(known)}."
        )
    return tuple(sorted(known[name] for name in wanted))


def known_series(session: Session, publication_id: int) -> dict[str, int]:
    """slug → id, in alphabetical order of titles; then the slugs that series had before, which old forms and lists name."""
    query = select(Series.slug, Series.id).where(Series.publication_id == publication_id).order_by(Series.title)
    had = select(FormerSeries.slug, FormerSeries.series_id.label("id"))
    return {row.slug: row.id for named in (query, had) for row in session.execute(named)}


def cadence_named(name: str) -> str:
    if name not in CADENCES:
        raise BadInput(f"{name[:40]!r} is no cadence;", where="cadence", remedy=f"choose {', '.join(CADENCES)}.")
    return name


def zone_named(name: str) -> str:
    if name not in zones():
        raise BadInput(
            f"there is no time zone {name[:60]!r};", where="timezone", remedy="write one such as Europe/Lisbon or UTC."
        )
    return name


@cache
def zones() -> frozenset[str]:
    """Every name of the tz database that a person may have."""
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


def language_named(name: str) -> str:
    if not _LANGUAGE.fullmatch(name):
        raise BadInput(
            f"{name[:40]!r} is no language tag;", where="language", remedy="write one such as en or pt-BR (BCP 47)."
        )
    return name
