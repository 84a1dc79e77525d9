"""Wordings that come close to a standard notice without being one: other adverbs, other commas, a misspelling. Pure.

Meant for the end of a document. What counts is what ordinary prose does not say together: somebody's positions are independent,
*and* the findings are theirs. Positions of ferries that are independent of the tide are none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Letters of other alphabets that look like Latin ones, one for one, so that places in the text stay the same.
_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u03bf\u03b1\u03bd"
    "\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425",
    "aeopcyxijsdhoavABEHIKMNOPTXABEKMHOPCTX",
)


class Language(NamedTuple):
    """Expressions: whose positions; independent; what was found; that it is theirs; their thanks."""

    positions: str
    independent: str
    found: str
    theirs: str
    thanks: str


_LANGUAGES = (
    Language(
        r"(?:the )?(?:positions?|views|opinions) of (?:the )?",
        r"inde-? ?pend[ae]nt",
        "findings?|conclusions?|results?|views|opinions",
        r"\b(?:are|is|remain) (?:\w+ ){0,2}(?:those|that) of (?:the )?",
        r"would like to (?:acknowledge|thank) [^.]{0,40}?"
        r"(?:generous supporters|(?:supporters|donors|funders)[^.]{0,40} work possible)",
    ),
    Language(
        r"(?:die )?positionen (?:von |des |der )?(?:des |der )?",
        "unabhängig",
        "ergebnisse?|schlussfolgerungen|schlüsse",
        r"\b(?:sind|ist) (?:\w+ ){0,2}(?:die|jene|diejenigen) (?:von |des |der )(?:des |der )?",
        r"dankt [^.]{0,30}?(?:großzügigen förderern|förderern[^.]{0,40}arbeit)",
    ),
    Language(
        r"(?:les )?positions (?:de |du |des |d')(?:la |l'|les )?",
        "indépendant",
        "résultats?|conclusions?",
        r"(?:n'engagent que |\bsont (?:\w+ ){0,2}(?:ceux|celles) (?:de |du |des |d'))(?:la |le |l'|les )?",
        r"remercie [^.]{0,30}?(?:généreux donateurs|donateurs[^.]{0,40}travail)",
    ),
    Language(
        r"(?:las )?posiciones (?:de |del )(?:la |los |las )?",
        "independiente",
        "resultados?|conclusiones",
        r"\bson (?:\w+ ){0,2}(?:los |las )?(?:de |del )(?:la |los |las )?",
        r"agradece [^.]{0,30}?(?:generosos donantes|donantes[^.]{0,40}trabajo)",
    ),
)

_OUR = r"(?:de )?(?:our|its|their|the|unsere|ihre|nos|ses|nuestr[oa]s|sus)"
_ALONE = r"(?: (?:alone|only|allein|seule?s?|solamente)\b)?"


def _patterns(said: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The same name at both places, the longest that is; and two names, where the second ends as a sentence does."""
    between = rf"(?:[ ,;&][^.!?]{{0,160}}?)?\b{said.independent}\w*[^!?]{{0,120}}?\b(?:{said.found})\b[^.!?]{{0,80}}?"
    alike = rf"{said.positions}(?P<name>.{{1,150}}){between}{said.theirs}(?P<again>(?P=name))(?!\w){_ALONE}"
    two = (
        rf"{said.positions}(?P<name>.{{1,150}}?)(?=,| (?:and|&|und|et|y) {_OUR}| (?:are|is|sind|sont|son) ){between}"
        rf"{said.theirs}(?P<again>.{{1,150}}?)(?:{_ALONE}(?:(?<=\w\w)[.;!](?:\s|$)|$))"
    )
    return re.compile(alike, re.IGNORECASE), re.compile(two, re.IGNORECASE)


_SENTENCES = tuple((said, *_patterns(said)) for said in _LANGUAGES)
_THANKS = re.compile("|".join(said.thanks for said in _LANGUAGES), re.IGNORECASE)
_END_OF_SENTENCE = re.compile(r"(?<=\w\w[.!?])\s+")  # “U.S. Board” goes on


class Claim(NamedTuple):
    """What comes close to a notice's first sentence: whom it names (twice, as a rule the same) and where it stands.

    `sure`: also two different names make it a notice, since it has both the findings and the conclusions.
    """

    names: tuple[str, str]
    start: int
    end: int
    sure: bool


def claim_in(normalised: str, start: int | None = None) -> Claim | None:
    """The first claim in a normalised text; with `start`, one that begins there."""
    text = normalised.translate(_ALIKE)
    folded = text.casefold()
    for said, alike, two in _SENTENCES:
        if re.search(said.independent, folded) is None:  # nearly always, and much cheaper
            continue
        for pattern in (alike, two):
            found = pattern.search(text) if start is None else pattern.match(text, start)
            if found:
                first, second = (normalised[slice(*found.span(name))].strip(" ,") for name in ("name", "again"))
                words = found[0].casefold()
                both = len(set(re.findall(said.found, words))) > 1
                return Claim((first, second), *found.span(), sure=pattern is alike or both)
    return None


def thanking(normalised: str) -> list[str]:
    """What stands before each acknowledgement of supporters in a text: the last words of it are who thanks."""
    return [normalised[: found.start()].rstrip(" ,") for found in _THANKS.finditer(normalised)]


def last_sentence(words: str) -> str:
    return _END_OF_SENTENCE.split(words)[-1].strip(" *_\"'([<>#-")
