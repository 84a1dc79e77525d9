"""The names of feeds, and the marks by which a feed finds its entries. Pure.

A name is `all`, a series slug or a name that the publisher gave; `by.<author>`, `on.<topic>`, `in.<language>` (the point keeps
them apart from every slug); several of these joined by `+`; any of them with `.daily` or `.weekly`: one item a day or a week.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anyascii import anyascii

from syndication.content import EntryContent

PREFIX = {"author": "by", "topic": "on", "language": "in"}  # kind of a mark → how its feed is called
DIGESTS = ("daily", "weekly")
RESERVED = frozenset({"all", "by", "on", "in", "private"})  # no slug of a series, no name of a feed
MOST_PARTS = 12  # of a composed feed
MOST_MARKS = 60  # authors, and topics, by which one entry is found: the first ones
LONGEST = 300
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
_PART = re.compile(r"(?:(?:by|on|in)\.)?[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
_WRITTEN_OUT = {"de": str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})}
_KIND = {prefix: kind for kind, prefix in PREFIX.items()}


@dataclass(frozen=True, slots=True)
class Name:
    """A feed's name taken apart: its parts in order, and `daily`, `weekly` or nothing."""

    parts: tuple[str, ...]
    digest: str = ""

    def __str__(self) -> str:
        return "+".join(self.parts) + (f".{self.digest}" if self.digest else "")


def parsed(name: str) -> Name | None:
    """What a name says, its parts sorted and each once, `all` alone where it is among them; None where it cannot be one."""
    if len(name) > LONGEST:
        return None
    last = name.rpartition("+")[2]  # `on.daily` is a topic
    digest = next((d for d in DIGESTS if last.endswith(f".{d}") and last.removesuffix(f".{d}") not in _KIND), "")
    parts = name.removesuffix(f".{digest}").split("+") if digest else name.split("+")
    if len(parts) > MOST_PARTS or not all(map(_PART.fullmatch, parts)):
        return None
    whole = ("all",) if "all" in parts else tuple(sorted(set(parts)))
    return Name(whole, digest)


def with_slugs(name: Name, slugs: Mapping[str, str]) -> Name:
    """The name where series have other slugs (former → present)."""
    return Name(tuple(sorted({slugs.get(part, part) for part in name.parts})), name.digest)


def is_name(name: str) -> bool:
    """May a publisher call a series or a feed so?"""
    return _SLUG.fullmatch(name) is not None and name not in RESERVED and not name.startswith("scope-")


def part_mark(part: str) -> str:
    """The mark that a part of a composed feed stands for: `series:tides`, `author:ana-re`."""
    prefix, _, slug = part.rpartition(".")
    return f"{_KIND[prefix]}:{slug}" if prefix else f"series:{slug}"


def mark_name(mark: str) -> str:
    """The name of a mark's own feed."""
    kind, _, slug = mark.partition(":")
    return slug if kind == "series" else f"{PREFIX[kind]}.{slug}"


def mark(kind: str, words: str) -> str:
    """`author:ana-re` for the author “Ana Ré”; empty where nothing of the words can stand in an address."""
    slug = slugified(words)
    return f"{kind}:{slug}" if slug else ""


def marks_of(content: EntryContent, series_slug: str, language: str) -> dict[str, str]:
    """By what an entry is found: mark → how a person calls it. `language` is the entry's own or the publication's."""
    found = {f"series:{series_slug}": ""}
    for author in content.authors[:MOST_MARKS]:
        found.setdefault(mark("author", author.name), author.name)
    for topic in content.topics[:MOST_MARKS]:
        found.setdefault(mark("topic", topic), topic)
    found[mark("language", language)] = language
    return {one: words for one, words in found.items() if one}


def takes(wants: Iterable[Sequence[str]], marks: Iterable[str]) -> bool:
    """Whether a feed that `wants` one mark of each group shows an entry with these marks."""
    mine = set(marks)
    return all(mine.intersection(group) for group in wants)


def slugified(text: str, language: str = "") -> str:
    """Small ASCII letters, digits and hyphens, at most 80; other scripts in Latin letters. Empty where nothing is left.
    A `language` that writes its letters out in ASCII has them so: ü is ue in German, u elsewhere."""
    letters = _WRITTEN_OUT.get(language.partition("-")[0].lower(), {})
    plain = anyascii(unicodedata.normalize("NFC", text).translate(letters)).lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
