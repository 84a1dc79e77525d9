"""What feeds and mail say around an entry, by language; English where a language has no row. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """`numbered` takes {part}, `whole` {title}, `every_entry` {publication}."""

    plain: str
    numbered: str
    more: str
    whole: str
    every_entry: str


WORDS = {
    "en": Words(
        "Part of the series",
        "Part {part} of the series",
        "For more on this topic please see:",
        "Read the whole text of “{title}”",
        "Every new entry of {publication}.",
    ),
    "de": Words(
        "Teil der Reihe",
        "Teil {part} der Reihe",
        "Mehr zu diesem Thema:",
        "Den ganzen Text von „{title}“ lesen",
        "Jeder neue Beitrag von {publication}.",
    ),
    "fr": Words(
        "Dans la série",
        "Partie {part} de la série",
        "À lire aussi sur ce sujet :",
        "Lire le texte entier de « {title} »",
        "Tous les nouveaux textes de {publication}.",
    ),
    "es": Words(
        "Parte de la serie",
        "Parte {part} de la serie",
        "Más sobre este tema:",
        "Leer el texto completo de «{title}»",
        "Todos los textos nuevos de {publication}.",
    ),
}


def words(language: str) -> Words:
    return WORDS.get(language.split("-")[0].lower(), WORDS["en"])
