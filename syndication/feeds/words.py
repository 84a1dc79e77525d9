"""What feeds and mail say around an entry, by language; English where a language has no row. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """`numbered` takes {part}, `whole` {title}, `every_entry` {publication}, `week_of` {date}, the last
    six {title} and {date}."""

    plain: str
    numbered: str
    more: str
    whole: str
    every_entry: str
    daily: str
    weekly: str
    week_of: str
    correction: str
    was_corrected: str
    retraction: str
    was_retracted: str
    withdrawal: str
    was_withdrawn: str


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
        "Correction: {title}",
        "“{title}” was corrected on {date}.",
        "Retraction: {title}",
        "A statement in “{title}” was retracted on {date}; the corrected text says what holds.",
        "Withdrawn: {title}",
        "“{title}” was withdrawn on {date}. Please do not rely on it any more.",
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
        "Berichtigung: {title}",
        "„{title}“ wurde am {date} berichtigt.",
        "Widerruf: {title}",
        "Eine Aussage in „{title}“ wurde am {date} widerrufen; der berichtigte Text sagt, was gilt.",
        "Zurückgezogen: {title}",
        "„{title}“ wurde am {date} zurückgezogen. Bitte verlassen Sie sich nicht mehr darauf.",
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
        "Rectificatif : {title}",
        "« {title} » a été corrigé le {date}.",
        "Rétractation : {title}",
        "Une affirmation de « {title} » a été rétractée le {date} ; le texte corrigé dit ce qui vaut.",
        "Retiré : {title}",
        "« {title} » a été retiré le {date}. Veuillez ne plus vous y fier.",
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
        "Corrección: {title}",
        "«{title}» se corrigió el {date}.",
        "Retractación: {title}",
        "El {date} se retractó una afirmación de «{title}»; el texto corregido dice lo que vale.",
        "Retirado: {title}",
        "«{title}» se retiró el {date}. No se fíe más de él, por favor.",
    ),
}


def words(language: str) -> Words:
    return WORDS.get(language.split("-")[0].lower(), WORDS["en"])
