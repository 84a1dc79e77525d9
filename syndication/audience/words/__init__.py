"""What the pages of subscribers and the letters to them say, by language; English where there is no such language. Pure."""

from __future__ import annotations

from syndication.audience.words.de import DE
from syndication.audience.words.en import EN
from syndication.audience.words.es import ES
from syndication.audience.words.fr import FR
from syndication.audience.words.shape import Words

__all__ = ["WORDS", "Words", "words_for"]
WORDS = {words.language: words for words in (EN, DE, FR, ES)}


def words_for(language: str) -> Words:
    return WORDS.get(language.split("-")[0].lower(), EN)
