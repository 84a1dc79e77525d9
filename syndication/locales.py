"""Names of days, dates and languages as a language writes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, get_day_names

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ENGLISH: Final = Locale("en", "001")  # 25 November 2026: the order that every reader of English knows


def locale_of(tag: str) -> Locale:
    """The locale of a BCP 47 tag; English for one that nobody has described."""
    if tag.lower() == "en":
        return _ENGLISH
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        base = tag.partition("-")[0]
        return locale_of(base) if base != tag else _ENGLISH


def day(moment: date, language: str) -> str:
    """`25 November 2026`, as the language writes it."""
    return format_date(moment, "long", locale=locale_of(language))


def weekday(name: str, language: str) -> str:
    """`monday` in a language."""
    return str(get_day_names("wide", locale=locale_of(language))[WEEKDAYS.index(name)])


def own_name(tag: str) -> str:
    """What a language calls itself, with a capital where the script has them; the tag where nobody knows."""
    try:
        found = Locale.parse(tag, sep="-").get_display_name()
    except (ValueError, UnknownLocaleError):
        found = None
    return found[:1].upper() + found[1:] if found else tag


def best(accepted: str, offered: Sequence[str]) -> str | None:
    """The one of `offered` that an Accept-Language header (RFC 9110 §12.5.4) asks for first."""
    wanted: list[tuple[float, str]] = []
    for piece in accepted.split(","):
        tag, _, parameter = piece.strip().partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag and quality > 0:
            wanted.append((-quality, tag.strip().lower()))
    for _, tag in sorted(wanted, key=lambda pair: pair[0]):
        for match in (tag, tag.partition("-")[0]):
            for one in offered:
                if one.lower() == match or one.lower().partition("-")[0] == match:
                    return one
    return None
