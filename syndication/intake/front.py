"""What a document may say about itself: front matter, or `<meta>` of the same names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from syndication.content import Author, Related
from syndication.errors import BadInput
from syndication.intake.decode import without_controls

LANGUAGE = r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$"  # BCP 47, its shape


class Front(BaseModel):
    """Every key is optional. Dates without a zone are the publication's local time."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: str | None = None
    title: str = ""
    standfirst: str = ""
    slug: str | None = None
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

    @field_validator("id", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return None if value is None else str(value)

    @field_validator("authors", mode="before")
    @classmethod
    def _authors(cls, value: Any) -> Any:
        return [{"name": one} if isinstance(one, str) else one for one in _several(value)]

    @field_validator("related", mode="before")
    @classmethod
    def _related(cls, value: Any) -> Any:
        return [{"title": one} if isinstance(one, str) else one for one in _several(value)]

    @field_validator("topics", "notes", mode="before")
    @classmethod
    def _strings(cls, value: Any) -> Any:
        return _several(value)

    @field_validator("published", "publish_at", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        return datetime.combine(value, time()) if isinstance(value, date) and not isinstance(value, datetime) else value

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
        return value


def front(fields: dict[str, Any], source: str, lines: Mapping[str, int] | None = None) -> Front:
    """Raises BadInput that names the key, its line (of `lines`, key → line), the reason and near names.

    Every text of it is one line without control characters: a title becomes a mail's subject.
    """
    try:
        return Front.model_validate({key: _tidy(value) for key, value in fields.items()})
    except ValidationError as error:
        errors = error.errors()
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        key = ".".join(str(part) for part in first["loc"])
        line = (lines or {}).get(str(first["loc"][0])) if first["loc"] else None
        where = f"{source}, line {line}" if line else source
        if first["type"] == "extra_forbidden":
            near = get_close_matches(key, Front.model_fields, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known are: {', '.join(Front.model_fields)}."
            raise BadInput(f"front matter has an unknown key {key!r};", where=where, remedy=remedy) from error
        raise BadInput(
            f"{key}: {first['msg']};", where=where, remedy="correct this key of the front matter."
        ) from error


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(without_controls(value).split())
    if isinstance(value, list):
        return [_tidy(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _tidy(one) for key, one in value.items()}
    return value


def _web(address: str) -> str:
    """`address`, if a browser may open it from anybody's page: never `javascript:` and the like."""
    if not re.fullmatch(r"https?://[^\s/\"<>]+[^\s\"<>]*", address, re.IGNORECASE):
        raise ValueError("give a whole address with https://")
    return address


def in_zone(moment: datetime | None, zone: str) -> datetime | None:
    """Aware, in UTC; without a zone of its own it is local time of `zone`."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
