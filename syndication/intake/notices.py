"""Recognise a publisher's independence notice in a document: at its end it is taken out, inside it is refused. Pure.

Typographic quotes, white space and line breaks do not matter (see `feeds.disclaimers.normalised`); what follows the first
sentence may be any wording of the list of supporters and the acknowledgement, and nothing else: a paragraph of another
kind is never taken out along with the notice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from syndication.errors import BadInput
from syndication.feeds.disclaimers import STANDARD, normalised
from syndication.intake.variants import Claim, claim_in, last_sentence, thanking

_REACH = 5  # a notice may be broken into so many paragraphs
_BROKEN = 3  # and a quoted one into so many
_LONGEST = 1_500
_LAST_WORDS = 4_000  # characters of a document's end that are looked at once more
_NAME = r"(?P<name>.{1,150}?)"
_NAME_ALONE = r"(?P<name>[^:;!?]{1,150}?)"
_LEAD = re.compile(
    r"""[\s*_"'(\[#>-]*(?:(?:disclaimer|notice|note|editor's note)\s*[:.*_-]+\s*)?[\s*_"']*""", re.IGNORECASE
)
_LINK = re.compile(r"\[([^\[\]]+)\]\([^()]*\)")
_ADDRESS = re.compile(r"[(<\[]*https?://[^\s<>()\[\]]+[)>\]]*")
# What the further sentences of a notice speak of, in the languages of the standard wording.
_CUE = re.compile(
    r"support|donor|funder|sponsor|grateful|acknowledg|independen|förder|dankt|spender|unabhängig"
    r"|donat|remerci|indépendan|soutien|apoya|agradec|donante|independien",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Own:
    """The publication's notices: `name` for people, `texts` of all versions, `names` it is recognised by (name, slug)."""

    name: str
    texts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def is_named(self, other: str) -> bool:
        written = (named_in(text, whole=False) or "" for text in self.texts)
        return _bare(other) in {_bare(one) for one in (self.name, *self.names, *written) if one}

    def thanks_at_the_end_of(self, words: str) -> bool:
        """Is it this publication whose name, or a part of it, ends `words` and begins their last sentence?"""
        folded, last = _folded(words), _bare(last_sentence(words))
        names = {_folded(one) for one in (self.name, *self.names) if one}
        if last == "we" or self.is_named(last) or any(f" {last} " in f" {_bare(name)} " for name in names):
            return True
        return any(re.search(rf"""(?:^|[.!?)>\]*_"'#-] ?)(?:the )?{re.escape(name)}$""", folded) for name in names)

    def has_text(self, folded: str) -> bool:
        return any(folded == _folded(text) for text in self.texts)

    def is_quoted_in(self, folded: str) -> bool:
        return any(_folded(text) in folded for text in self.texts if text.strip())


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    patterns = []
    for template in STANDARD.values():
        first, second, *rest = (re.escape(normalised(f"|{part}|")[1:-1]) for part in _sentence(template))
        body = f"{first}{_NAME}{second}" + "".join(f"(?P=name){part}" for part in rest)
        patterns.append(re.compile(body, re.IGNORECASE))
    # Older wordings of the English standard: other commas, no policy experts.
    patterns.append(
        re.compile(
            rf"the positions of {_NAME},?(?: and (?:our|its) (?:policy )?(?:experts|scholars|staff),?)?"
            r" are independent,?[^.]{0,60} findings and conclusions (?:presented )?are those of (?P=name) alone",
            re.IGNORECASE,
        )
    )
    return tuple(patterns)


@cache
def _further() -> tuple[re.Pattern[str], ...]:
    """The sentences after the first, each alone: the list of supporters and the acknowledgement, in every language."""
    patterns = []
    for template in STANDARD.values():
        listed, thanks = template.split("{% if supporters_url %}")[1].split("{% endif %}")
        patterns.append(re.compile(re.escape(_plain(_LINK.sub(r"\1", listed))), re.IGNORECASE))
        before, after = thanks.split("{{ name }}")
        patterns.append(
            re.compile(f"{re.escape(_plain(before))}{_NAME_ALONE} {re.escape(_plain(after))}", re.IGNORECASE)
        )
    return tuple(patterns)


def thanked_by(text: str) -> str | None:
    """The publisher that a notice without its first sentence names ("": none); None where `text` is no such thing."""
    if len(text) > _LONGEST:
        return None
    text = normalised(text)
    lead = _LEAD.match(text)
    text = _ADDRESS.sub("", text[lead.end() if lead else 0 :])
    name = None
    while text := text.lstrip(" .*_)>]"):
        found = next((found for pattern in _further() if (found := pattern.match(text))), None)
        if found is None:
            return None
        name = found.groupdict().get("name") or name or ""
        text = text[found.end() :]
    return name


def _plain(words: str) -> str:
    return normalised(words).strip(" .")


def _sentence(template: str) -> list[str]:
    """The template's words before its list of supporters, apart where the publisher's name stands."""
    return template.split("{% if")[0].rstrip().split("{{ name }}")


def named_in(text: str, *, whole: bool) -> str | None:
    """The publisher that a notice in `text` names, or None; `whole`: the text must begin with it and be nothing else."""
    text = normalised(text)
    start = 0
    if whole:
        if len(text) > _LONGEST:
            return None
        lead = _LEAD.match(text)
        start = lead.end() if lead else 0
    for pattern in _patterns():
        found = pattern.match(text, start) if whole else pattern.search(text)
        if found and (not whole or _is_the_rest_of_one(text[found.end() :], found["name"])):
            return found["name"].strip(" ,")
    return None


@dataclass(frozen=True, slots=True)
class AtEnd:
    """How many paragraphs at the end are the notice (0, and false: none), and whether they are a part of it only."""

    count: int = 0
    part: bool = False

    def __bool__(self) -> bool:
        return self.count > 0


def at_end(paragraphs: Sequence[str], own: Own, source: str) -> AtEnd:
    """Where the publication's notice begins, counted from the end.

    Raises BadInput where the notice, or its acknowledgement, names another publisher: nothing is re-attributed silently.
    """
    for count in range(1, min(_REACH, len(paragraphs)) + 1):
        text = " ".join(paragraphs[-count:])
        if own.has_text(_folded(text)):
            return AtEnd(count)
        named = named_in(text, whole=True) or _nearly_named(text, own)
        if named is None:
            continue
        for other in (named, *_thankful_strangers(text, own)):
            if not own.is_named(other):
                raise _anothers(other, own, source)
        return AtEnd(count)
    part = 0
    for text in reversed(paragraphs):
        name = thanked_by(text)
        if name is None or (name and not own.is_named(name)):
            break
        part += 1
    return AtEnd(part, part=True)


def refuse_anothers_at_end(paragraphs: Sequence[str], own: Own, source: str) -> None:
    """Raises BadInput where what is left at a document's end comes close to a notice, or to the acknowledgement of another
    publisher: then nobody can say whose text this is."""
    text = normalised(" ".join(paragraphs[-_REACH:]))[-_LAST_WORDS:]
    claim = claim_in(text)
    if claim is not None and (other := _whose(claim, own)) is not None:
        if not own.is_named(other):
            raise _anothers(other, own, source)
        raise BadInput(
            f"the document's end has the notice of {own.name} in other words;",
            where=source,
            remedy="let it be a paragraph of its own, or take it out: every rendering carries the notice.",
        )
    for paragraph in paragraphs[-_REACH:]:
        for other in _thankful_strangers(paragraph, own):
            raise _anothers(other, own, source)


def comes_close(text: str) -> bool:
    """May `text` have a notice in it, in the standard wording or nearly so? For what would else be left out unread."""
    text = normalised(text)
    return named_in(text, whole=False) is not None or claim_in(text) is not None or bool(thanking(text))


def _nearly_named(text: str, own: Own) -> str | None:
    """As `named_in` for a whole text, where the wording comes close to the standard one only."""
    if len(text) > _LONGEST:
        return None
    text = normalised(text)
    lead = _LEAD.match(text)
    claim = claim_in(text, lead.end() if lead else 0)
    if claim is None or not _is_the_rest_of_one(text[claim.end :], claim.names[1]):
        return None
    return _whose(claim, own)


def _whose(claim: Claim, own: Own) -> str | None:
    """The publisher that a claim names, another before the own one; None where it is no notice after all."""
    others = [name for name in claim.names if not own.is_named(name)]
    if not claim.sure and len(others) == len(claim.names):
        return None
    return others[0] if others else claim.names[0]


def _thankful_strangers(text: str, own: Own) -> list[str]:
    """Who else than the publication thanks supporters in `text`."""
    found = [words for words in thanking(normalised(text)) if words and not own.thanks_at_the_end_of(words)]
    return [last_sentence(words) for words in found]


def _anothers(other: str, own: Own, source: str) -> BadInput:
    return BadInput(
        f"the document ends with the notice of {other}, the publication is {own.name};",
        where=source,
        remedy=f"import it into the publication of {other}; if that is another name of {own.name}, write it into "
        "`also_known_as` of publication.toml; or take the notice out.",
    )


def refuse_inside(paragraphs: Sequence[tuple[str, str]], own: Own, source: str) -> None:
    """Raises BadInput where one of `paragraphs` (what to call it, its text) has a notice, also one broken into several."""
    whole = " ".join(words for _, words in paragraphs)
    if named_in(whole, whole=False) is None and not own.is_quoted_in(_folded(whole)):
        return  # nearly always; looking at each paragraph of a large document takes seconds
    for reach in range(1, _BROKEN + 1):
        for start in range(len(paragraphs) - reach + 1):
            text = " ".join(words for _, words in paragraphs[start : start + reach])
            other = named_in(text, whole=False)
            if other or own.is_quoted_in(_folded(text)):
                raise BadInput(
                    f"{paragraphs[start][0]} quotes the notice of {other or own.name} inside the text;",
                    where=source,
                    remedy="take it out: every rendering carries the notice once, at its end.",
                )


def _is_the_rest_of_one(rest: str, name: str) -> bool:
    rest = re.sub(re.escape(name), "X", _ADDRESS.sub("", rest), flags=re.IGNORECASE)  # a name may have full stops
    sentences = re.split(r"(?<=[.!?])\s+", rest)
    return all(_CUE.search(one) or not re.search(r"\w", one) for one in sentences)


def _folded(text: str) -> str:
    return normalised(text).casefold()


def _bare(name: str) -> str:
    return " ".join(re.sub(r"\W+", " ", _folded(name)).split()).removeprefix("the ")
