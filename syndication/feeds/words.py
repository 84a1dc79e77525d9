"""What feeds and mail say around an entry, by language; English where a language has no row. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """`numbered` takes {part}, `whole` {title}, `every_entry` {publication}, `week_of` {date}."""

    plain: str
    numbered: str
    more: str
    whole: str
    every_entry: str
    daily: str
    weekly: str
    week_of: str


WORDS = {
    "en": Words(
        "Part of the series",
        "Part {part} of the series",
        "For more on this topic please see:",
        "Read the whole text of “{title}”",
        "Every new entry of {publication}.",
        "daily",
        "weekly",
        "week of {date}",
    ),
    "de": Words(
        "Teil der Reihe",
        "Teil {part} der Reihe",
        "Mehr zu diesem Thema:",
        "Den ganzen Text von „{title}“ lesen",
        "Jeder neue Beitrag von {publication}.",
        "täglich",
        "wöchentlich",
        "Woche ab {date}",
    ),
    "fr": Words(
        "Dans la série",
        "Partie {part} de la série",
        "À lire aussi sur ce sujet :",
        "Lire le texte entier de « {title} »",
        "Tous les nouveaux textes de {publication}.",
        "chaque jour",
        "chaque semaine",
        "semaine du {date}",
    ),
    "es": Words(
        "Parte de la serie",
        "Parte {part} de la serie",
        "Más sobre este tema:",
        "Leer el texto completo de «{title}»",
        "Todos los textos nuevos de {publication}.",
        "cada día",
        "cada semana",
        "semana del {date}",
    ),
}


def words(language: str) -> Words:
    return WORDS.get(language.split("-")[0].lower(), WORDS["en"])
