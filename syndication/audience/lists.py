"""Read a list of people: CSV (comma, semicolon or tab), JSON or JSON Lines, row by row, each with its line.

Guarantees: a row that cannot be read is told with the line it begins on and stops nothing; memory is bounded by a row (a JSON
array is read whole: use JSON Lines for large lists).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from syndication.audience.addresses import parse
from syndication.errors import BadInput

COLUMNS: Final = (
    "address", "name", "series", "cadence", "timezone", "language", "consent", "consent_at", "consent_ip", "state",
    "suppressed",
)  # fmt: skip
LONGEST_ROW: Final = 20  # lines; beyond that a quotation mark was forgotten
_ALSO: Final = {
    "email": "address", "e-mail": "address", "e-mail address": "address", "email address": "address", "mail": "address",
    "time zone": "timezone", "tz": "timezone", "lang": "language", "frequency": "cadence",
    "consent at": "consent_at", "consented_at": "consent_at", "consent ip": "consent_ip",
}  # fmt: skip
Row = tuple[int, Mapping[str, str] | str]  # line, and the columns or why not


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a list by its form: `.json`, `.jsonl`/`.ndjson`, else CSV. Raises BadInput for what is no list."""
    try:
        if path.suffix.lower() == ".json":
            yield from _json_rows(path)
        elif path.suffix.lower() in {".jsonl", ".ndjson"}:
            yield from _json_lines(path)
        else:
            yield from _csv_rows(path)
    except OSError as error:
        raise BadInput(
            f"the list cannot be read ({error.strerror});", where=str(path), remedy="name a file."
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput(
            "the list is not in UTF-8;", where=str(path), remedy="save it as UTF-8 and try again."
        ) from error


def count_lines(path: Path) -> int:
    """About how many rows there will be: for a progress bar."""
    try:
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return 0


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if "\0" in first:
            raise BadInput("the list is not text;", where=str(path), remedy="export it as CSV in UTF-8.")
        delimiter = max(",;\t", key=first.count)
        names = _names(next(csv.reader([first], delimiter=delimiter), []))
        if "address" not in names:
            if not _is_address(first.strip().strip('"')):
                raise BadInput(
                    "the list has no column named address;",
                    where=f"{path}, line 1",
                    remedy=f"name the columns {', '.join(COLUMNS)}; only address must be there.",
                )
            names = ["address"]  # a bare list of addresses
            file.seek(0)
            yield from _cells(file, delimiter, names, 0)
        else:
            yield from _cells(file, delimiter, names, 1)


def _cells(file: IO[str], delimiter: str, names: list[str], before: int) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"this is no CSV ({error});"
            continue
        lines = before + reader.line_num - line + 1
        if lines > LONGEST_ROW:
            yield line, f"{lines} lines are one row here, since a quotation mark opens and does not close;"
        elif len(cells) > len(names):
            yield line, f"the row has {len(cells)} columns and the list {len(names)};"
        elif any(cell.strip() for cell in cells):
            yield line, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                yield line, _columns_of(text)


def _columns_of(text: str) -> Mapping[str, str] | str:
    try:
        return _columns(json.loads(text))
    except ValueError as error:
        return f"this is no JSON ({error});"


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        people = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise BadInput(
            f"the list is no JSON ({error.msg});",
            where=f"{path}, line {error.lineno}",
            remedy="write an array of objects.",
        ) from error
    if not isinstance(people, list):
        raise BadInput("the list is no JSON array;", where=str(path), remedy="write an array of objects.")
    for number, person in enumerate(people, 1):
        yield number, _columns(person)


def _columns(person: object) -> Mapping[str, str] | str:
    if not isinstance(person, dict):
        return "this is no object with an address;"
    columns = {}
    for name, value in zip(_names(list(person)), person.values(), strict=True):
        if isinstance(value, list):
            value = " ".join(map(str, value))
        columns[name] = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return columns


def _names(cells: list[str]) -> list[str]:
    plain = [cell.strip().lower() for cell in cells]
    return [_ALSO.get(name, name) for name in plain]


def _is_address(text: str) -> bool:
    try:
        parse(text)
    except BadInput:
        return False
    return True
