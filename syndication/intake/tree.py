"""`publication.toml` and `series.toml`: what a publication says about itself. Reads files; decides nothing."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from email import policy
from email.errors import HeaderParseError, ObsoleteHeaderDefect
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from syndication.errors import BadInput
from syndication.intake.decode import without_controls
from syndication.mail.headers import parsed_mailbox

PUBLICATION = "publication.toml"
SERIES = "series.toml"
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Imprint(_File):
    slug: str
    name: str = Field(min_length=1, max_length=300, pattern=r"^[^\r\n]*\S[^\r\n]*$")
    also_known_as: list[str] = []  # other names by which a notice in its documents may call it
    url: str
    language: str = Field("en", pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$")
    timezone: str = "UTC"
    supporters_url: str = ""
    postal_address: str = ""
    default_series: str | None = None
    pages: bool = True

    @field_validator("slug")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not _SLUG.fullmatch(value):
            raise ValueError("use small letters, digits and hyphens")
        return value

    @field_validator("name", "postal_address")
    @classmethod
    def _words(cls, value: str) -> str:
        lines = [" ".join(without_controls(line).split()) for line in value.strip().splitlines()]
        return "\n".join(line for line in lines if line)

    @field_validator("url", "supporters_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("give a whole address with https://")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("there is no such time zone; write it like Europe/Lisbon") from error
        return value


class MailPart(_File):
    sender: str = Field("", alias="from")
    reply_to: str = ""
    unknown: Literal["ask", "sent", "again"] = "ask"
    daily_at: str = Field("07:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    weekly_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"

    @field_validator("sender", "reply_to")
    @classmethod
    def _mailbox(cls, value: str) -> str:
        if not value:
            return value
        try:
            header = policy.default.header_factory("from", value)
            wrong = any(not isinstance(defect, ObsoleteHeaderDefect) for defect in header.defects)
            parsed_mailbox(value)
        except (ValueError, IndexError, HeaderParseError, BadInput):  # line breaks, and what the parser trips over
            wrong = True
        if wrong or len(header.addresses) != 1 or header.groups[0].display_name or not header.addresses[0].domain:
            raise ValueError(
                'write one mailbox, like "Tideway <series@tideway.example>"; a name with a comma stands in quotation marks'
            )
        return value


class DisclaimerPart(_File):
    text: str = ""


class FeedPart(_File):
    """One `[[feeds]]`: an entry has one of each list that is not empty."""

    name: str
    title: str = Field(min_length=1, max_length=300)
    description: str = Field("", max_length=1_000)
    series: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    full: bool = True
    newest: int | None = None
    order: Literal["date", "part"] = "date"
    private: bool = False


class PublicationFile(_File):
    publication: Imprint
    feeds: tuple[FeedPart, ...] = ()
    mail: MailPart = MailPart()
    disclaimer: dict[str, DisclaimerPart] = {}


class SeriesFile(_File):
    title: str = Field(min_length=1)
    description: str = ""
    order: Literal["newest", "part"] = "newest"
    note: str = ""
    ended: bool = False
    formerly: tuple[str, ...] = ()  # slugs that it had: their addresses lead here


def read_publication(file: Path, source: str) -> PublicationFile:
    return PublicationFile.model_validate(_checked(PublicationFile, file, source))


def read_series(file: Path, source: str) -> SeriesFile:
    return SeriesFile.model_validate(_checked(SeriesFile, file, source))


def tree_of(path: Path) -> Path | None:
    """The nearest folder at or above `path` that has a publication.toml."""
    start = path if path.is_dir() else path.parent
    return next((folder for folder in (start, *start.parents) if (folder / PUBLICATION).is_file()), None)


def _checked(model: type[_File], file: Path, source: str) -> dict[str, Any]:
    """The file's table, after a trial of the model so that every error is told in words."""
    try:
        table = tomllib.loads(file.read_text("utf-8-sig"))
        model.model_validate(table)
    except FileNotFoundError as error:
        raise BadInput(
            "the file is missing;", where=source, remedy=f"write it: see {file.name} of the sample."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"this is not TOML: {error};", where=source, remedy="mend that line.") from error
    except ValidationError as error:
        errors = error.errors()
        first = next(
            (one for one in errors if one["type"] == "extra_forbidden"), errors[0]
        )  # a typo is why keys are missing
        key = ".".join(str(part) for part in first["loc"])
        line = _line_of([str(part) for part in first["loc"]], file.read_text("utf-8-sig"))
        source = f"{source}, line {line}" if line else source
        if first["type"] == "extra_forbidden":
            near = get_close_matches(str(first["loc"][-1]), _names(model), n=1)
            remedy = f"did you mean {near[0]}?" if near else "take it out."
            raise BadInput(f"unknown key {key};", where=source, remedy=remedy) from error
        raise BadInput(f"{key}: {first['msg']};", where=source, remedy="correct this key.") from error
    return table


def _line_of(keys: list[str], text: str) -> int | None:
    """The line of the innermost of `keys` that the text writes: as a key, or as a table's head."""
    for depth in range(len(keys), 0, -1):
        head = re.escape(".".join(keys[:depth]))
        found = re.search(rf"^[ \t]*(?:{re.escape(keys[depth - 1])}[ \t]*=|\[{head}\])", text, re.MULTILINE)
        if found:
            return text.count("\n", 0, found.start()) + 1
    return None


def _names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, info in model.model_fields.items():
        names.append(info.alias or name)
        for kind in (info.annotation, *get_args(info.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                names += _names(kind)
    return names
