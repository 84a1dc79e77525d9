"""What a document may say about itself: front matter, or `<meta>` of the same names. Pure.

A key that is nearly one of ours is a mistake that may matter (`publish_at` mistyped would break an embargo): the document
stops. A key of another system is left alone, and a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from syndication.content import Author, Related
from syndication.dates import parsed
from syndication.errors import BadInput
from syndication.intake.decode import without_controls, without_open_bidi

LANGUAGE = r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$"  # BCP 47, its shape
# How other systems call the same.
ALSO = {
    "author": "authors", "byline": "authors", "date": "published", "description": "standfirst",
    "enclosure": "attachments", "enclosures": "attachments", "excerpt": "standfirst",
    "keywords": "topics", "lang": "language", "subtitle": "standfirst", "summary": "standfirst", "tags": "topics",
}  # fmt: skip
_LONGEST = 1_000  # characters of a title, standfirst, name or topic


class Attached(BaseModel):
    """A file of the tree that goes out with the entry; without a title it is called as the file is."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    file: str = Field(min_length=1, max_length=_LONGEST)
    title: str = Field("", max_length=_LONGEST)


class Front(BaseModel):
    """Every key is optional. Dates without a zone are the publication's local time."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: str | None = Field(None, max_length=300)
    title: str = Field("", max_length=500)
    standfirst: str = Field("", max_length=5_000)
    slug: str | None = Field(None, max_length=300)
    series: str | None = None
    part: int | None = Field(None, ge=0, le=100_000)
    authors: tuple[Author, ...] = ()
    language: str | None = Field(None, pattern=LANGUAGE)
    topics: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    published: datetime | None = None
    publish_at: datetime | None = None
    canonical_url: str | None = None
    licence_url: str | None = None
    notes: tuple[str, ...] = ()
    attachments: tuple[Attached, ...] = Field((), max_length=20)

    @field_validator("authors", mode="before")
    @classmethod
    def _authors(cls, value: Any) -> Any:
        return [{"name": one} if isinstance(one, str) else one for one in _several(value)]

    @field_validator("related", mode="before")
    @classmethod
    def _related(cls, value: Any) -> Any:
        return [{"title": one} if isinstance(one, str) else one for one in _several(value)]

    @field_validator("attachments", mode="before")
    @classmethod
    def _attachments(cls, value: Any) -> Any:
        return [{"file": one} if isinstance(one, str) else one for one in _several(value)]

    @field_validator("topics", "notes", mode="before")
    @classmethod
    def _strings(cls, value: Any) -> Any:
        return _several(value)

    @field_validator("published", "publish_at", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time())
        return parsed(str(value)) if isinstance(value, str | int | float) else value

    @field_validator("canonical_url", "licence_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _web(value) if value else None

    @field_validator("authors", "related")
    @classmethod
    def _addresses(cls, value: tuple[Author | Related, ...]) -> tuple[Author | Related, ...]:
        for one in value:
            if one.url is not None:
                _web(one.url)
            if not (words := one.name if isinstance(one, Author) else one.title) or len(words) > _LONGEST:
                raise ValueError(f"give each a {'name' if isinstance(one, Author) else 'title'}")
        return value


def front(
    fields: Mapping[str, Any], source: str, lines: Mapping[str, int] | None = None
) -> tuple[Front, tuple[str, ...]]:
    """(what it says, warnings). Raises BadInput that names the key, its line (of `lines`, key → line), the reason and near
    names. Every text of it is one line without control characters, its directions closed: a title becomes a mail's subject."""
    lines = lines or {}
    known: dict[str, Any] = {}
    foreign: list[str] = []
    for name, value in fields.items():
        key = ALSO.get(name, name)
        if key not in Front.model_fields:
            near = get_close_matches(key.lower().replace("-", "_"), (*Front.model_fields, *ALSO), n=1, cutoff=0.75)
            if near:
                raise BadInput(
                    f"front matter has an unknown key {name!r};",
                    where=_line(source, lines, name),
                    remedy=f"did you mean {ALSO.get(near[0], near[0])}?",
                )
            foreign.append(name)
        elif key in known:
            raise BadInput(
                f"front matter says {key} twice;", where=_line(source, lines, name), remedy="leave one of the two."
            )
        elif value not in (None, ""):
            known[key] = _tidy(value)
    warning = f"front matter keys that mean nothing here were left alone: {', '.join(foreign)} (see docs/documents.md)"
    try:
        return Front.model_validate(known), (warning,) if foreign else ()
    except ValidationError as error:
        raise _told(error, source, lines) from error


def _told(error: ValidationError, source: str, lines: Mapping[str, int]) -> BadInput:
    errors = error.errors()
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    path = [str(part) for part in first["loc"]]
    name = next(
        (n for n in (path[0], *(other for other, key in ALSO.items() if key == path[0])) if n in lines), path[0]
    )
    where = _line(source, lines, name)
    if first["type"] == "extra_forbidden":
        known = {"authors": ("name", "url"), "attachments": ("file", "title")}.get(path[0], ("title", "url"))
        return BadInput(
            f"{path[0]} has an unknown key {path[-1]!r};", where=where, remedy=f"each may have {' and '.join(known)}."
        )
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    if first["type"] in ("string_type", "model_type"):
        reason = "it should be words" if first["type"] == "string_type" else "write words, or a list of name and url"
    return BadInput(f"{'.'.join(path)}: {reason};", where=where, remedy="correct this key of the front matter.")


def _line(source: str, lines: Mapping[str, int], name: str) -> str:
    return f"{source}, line {lines[name]}" if name in lines else source


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return without_open_bidi(" ".join(without_controls(value).split()))
    if isinstance(value, list):
        return [_tidy(one) for one in value if one is not None]
    if isinstance(value, dict):
        return {str(key): _tidy(one) for key, one in value.items() if one is not None}
    return value


def _web(address: str) -> str:
    """`address`, if a browser may open it from anybody's page: never `javascript:` and the like."""
    if not re.fullmatch(r"https?://[^\s/\"<>]+[^\s\"<>]*", address, re.IGNORECASE):
        raise ValueError("give a whole address with https://")
    return address


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
