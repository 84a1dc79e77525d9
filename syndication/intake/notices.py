"""Recognise a publisher's independence notice in a document: at its end it is taken out, inside it is refused. Pure.

Typographic quotes, white space and line breaks do not matter (see `feeds.disclaimers.normalised`); what follows the first
sentence may be any wording of the list of supporters and the acknowledgement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from syndication.errors import BadInput
from syndication.feeds.disclaimers import STANDARD, normalised

_REACH = 5  # a notice may be broken into so many paragraphs
_LONGEST = 1_500


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    patterns = []
    for template in STANDARD.values():
        first, second, *rest = (re.escape(normalised(f"|{part}|")[1:-1]) for part in _sentence(template))
        body = f"{first}(?P<name>[^.]{{1,200}}?){second}" + "".join(f"(?P=name){part}" for part in rest)
        patterns.append(re.compile(body, re.IGNORECASE))
    # Older wordings of the English standard: other commas, no policy experts.
    patterns.append(
        re.compile(
            r"the positions of (?P<name>[^.]{1,200}?),?(?: and (?:our|its) (?:policy )?(?:experts|scholars|staff),?)?"
            r" are independent,?[^.]{0,60} findings and conclusions (?:presented )?are those of (?P=name) alone",
            re.IGNORECASE,
        )
    )
    return tuple(patterns)


def _sentence(template: str) -> list[str]:
    """The template's words before its list of supporters, apart where the publisher's name stands."""
    return template.split("{% if")[0].rstrip().split("{{ name }}")


def named_in(text: str, *, whole: bool) -> str | None:
    """The publisher that a notice in `text` names, or None; `whole`: the text must begin with it and be nothing else."""
    text = normalised(text)
    if whole and len(text) > _LONGEST:
        return None
    for pattern in _patterns():
        found = pattern.match(text) if whole else pattern.search(text)
        if found:
            return found["name"].strip(" ,")
    return None


def trailing(paragraphs: Sequence[str], known: Sequence[str], name: str, source: str) -> int:
    """How many paragraphs at the end are the publication's notice; 0: there is none.

    `known` are the texts of all versions of its notice. Raises BadInput where the notice names another publisher, or stands
    inside the text: nothing is re-attributed silently, and no reader gets it twice.
    """
    taken = _at_end(paragraphs, {normalised(k).casefold() for k in known}, name, source)
    for number, paragraph in enumerate(paragraphs[: len(paragraphs) - taken], 1):
        other = named_in(paragraph, whole=False)
        if other or any(k and normalised(k) in normalised(paragraph) for k in known):
            raise BadInput(
                f"paragraph {number} quotes the notice of {other or name} inside the text;",
                where=source,
                remedy="take it out: every rendering carries the notice once, at its end.",
            )
    return taken


def _at_end(paragraphs: Sequence[str], known: set[str], name: str, source: str) -> int:
    for count in range(1, min(_REACH, len(paragraphs)) + 1):
        text = " ".join(paragraphs[-count:])
        if normalised(text).casefold() in known:
            return count
        other = named_in(text, whole=True)
        if other is None:
            continue
        if _same(other, name):
            return count
        raise BadInput(
            f"the document ends with the notice of {other}, the publication is {name};",
            where=source,
            remedy=f"import it into the publication of {other}, or take the notice out if {name} publishes it.",
        )
    return 0


def _same(one: str, other: str) -> bool:
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    return normalised(name).casefold().removeprefix("the ")
