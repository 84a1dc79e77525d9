"""What a document may say about itself: front matter, or `<meta>` of the same names. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from syndication.content import Author, Related
from syndication.errors import BadInput


class Front(BaseModel):
    """Every key is optional. Dates without a zone are the publication's local time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = None
    title: str = ""
    standfirst: str = ""
    slug: str | None = None
    series: str | None = None
    part: int | None = None
    authors: tuple[Author, ...] = ()
    language: str | None = None
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
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("give a whole address with https://")
        return value


def front(fields: dict[str, Any], source: str) -> Front:
    """Raises BadInput that names the key, the reason and near names."""
    try:
        return Front.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = get_close_matches(key, Front.model_fields, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known are: {', '.join(Front.model_fields)}."
            raise BadInput(f"front matter has an unknown key {key!r};", where=source, remedy=remedy) from error
        raise BadInput(
            f"{key}: {first['msg']};", where=source, remedy="correct this key of the front matter."
        ) from error


def in_zone(moment: datetime | None, zone: str) -> datetime | None:
    """Aware, in UTC; without a zone of its own it is local time of `zone`."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
