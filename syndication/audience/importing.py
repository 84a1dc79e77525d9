"""Bring in a list of people who agreed elsewhere (CSV, JSON, JSON Lines), and hand one out.

Columns: address, name, series, cadence, timezone, language, consent (when and how they agreed; kept as evidence); only the
address must be there. Guarantees: nobody who left, bounced or complained comes back through a list (guarantee 6); a list
never changes what a person chose; a bad row is reported with its line and stops nothing; the same list again changes
nothing; memory is bounded by a batch (a JSON array is read whole: use JSON Lines for large lists).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.audience.addresses import parse
from syndication.audience.following import add_all_shielded, begin, held, note
from syndication.audience.subscribing import make_person
from syndication.audience.wishes import EVERYTHING, Evidence, Form, Wanted, understand
from syndication.errors import BadInput
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.ledger.suppressions import suppressed_among
from syndication.ledger.tables import Publication, Series, Subscriber, Subscription

COLUMNS: Final = ("address", "name", "series", "cadence", "timezone", "language", "consent")
BATCH: Final = 500  # rows in one transaction
_ALSO: Final = {
    "email": "address", "e-mail": "address", "e-mail address": "address", "email address": "address", "mail": "address",
    "time zone": "timezone", "tz": "timezone", "lang": "language", "frequency": "cadence",
}  # fmt: skip
Progress = Callable[[int], None]
Row = tuple[int, Mapping[str, str] | str]  # line, and the columns or why not


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not taken, with what to do."""

    line: int
    reason: str
    remedy: str


@dataclass
class PeopleReport:
    """Rows by outcome. `added`: new people; `changed`: known people with a new subscription; `suppressed`: skipped."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    suppressed: int = 0
    without_consent: int = 0  # taken, but the row does not say how they agreed
    failures: list[BadRow] = field(default_factory=list)


def import_people(db: Database, path: Path, *, progress: Progress | None = None) -> PeopleReport:
    """Takes the list in batches, each one transaction. `progress(rows so far)`. Raises BadInput for what is no list."""
    report = PeopleReport()
    done = 0
    rows = read_rows(path)
    while batch := list(islice(rows, BATCH)):
        with db.transaction() as session:
            _batch(session, the_publication(session), batch, path.name, report)
        done += len(batch)
        if progress:
            progress(done)
    return report


def enrol(
    session: Session, publication: Publication, wanted: Wanted, detail: dict[str, Any], evidence: Evidence
) -> str:
    """Makes one person's subscriptions active without asking them; added | changed | unchanged. What they chose or ended
    themselves stays. The caller has seen to it that they are not suppressed."""
    now = clock.now()
    query = select(Subscriber.id).where(
        Subscriber.publication_id == publication.id, Subscriber.address_key == wanted.address.key
    )
    known = session.scalars(query).first() is not None
    person = make_person(session, publication, wanted, now)
    rows = held(session, person.id)
    begun = []
    for scope in wanted.scopes:
        row = rows.get(scope)
        if row is not None and (row.state != "asked" or row.ended_at is not None):
            continue
        everything = rows.get(EVERYTHING)
        if row is None and everything is not None and everything.state == "active":
            continue  # covered as they wish
        if scope == EVERYTHING and any(other.shields for other in rows.values()):
            add_all_shielded(session, person, rows, wanted.cadence, now)
        else:
            begin(session, person, rows, scope, wanted.cadence, now)
        begun.append(scope)
    if begun:
        note(session, person, "imported", {**detail, "scopes": begun, "cadence": wanted.cadence}, evidence, now)
        session.flush()
    return "unchanged" if not begun else "changed" if known else "added"


def export_people(session: Session, publication: Publication) -> Iterator[dict[str, str]]:
    """One row a subscription, in the columns of an import, with its state."""
    query = (
        select(Subscriber, Subscription, Series.slug)
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .outerjoin(Series, Series.id == Subscription.series_id)
        .where(Subscriber.publication_id == publication.id)
        .order_by(Subscriber.id, Subscription.id)
        .execution_options(yield_per=1_000)
    )
    for person, wish, slug in session.execute(query):
        since = wish.active_at or wish.asked_at
        yield {
            "address": person.address,
            "name": person.name,
            "series": slug or "all",
            "cadence": wish.cadence,
            "timezone": person.timezone,
            "language": person.language,
            "consent": f"{wish.state} {since.isoformat()}",
            "state": wish.state,
        }


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a list by its form: `.json`, `.jsonl`/`.ndjson`, else CSV (comma, semicolon or tab)."""
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


def _batch(session: Session, publication: Publication, batch: list[Row], source: str, report: PeopleReport) -> None:
    understood: list[tuple[int, Wanted, str]] = []
    for line, columns in batch:
        if isinstance(columns, str):
            report.failures.append(BadRow(line, columns, "mend the row and import the list again."))
            continue
        try:
            understood.append((line, understand(session, publication, _form(columns)), columns.get("consent", "")))
        except BadInput as error:
            report.failures.append(BadRow(line, error.what, error.remedy))
    out = suppressed_among(session, publication.id, {wanted.address.key for _, wanted, _ in understood})
    for line, wanted, consent in understood:
        if wanted.address.key in out:
            report.suppressed += 1
            continue
        detail = {"list": source, "line": line, "consent": consent[:1_000]}
        outcome = enrol(session, publication, wanted, detail, Evidence(via="list"))
        setattr(report, outcome, getattr(report, outcome) + 1)
        report.without_consent += outcome != "unchanged" and not consent


def _form(columns: Mapping[str, str]) -> Form:
    series = columns.get("series", "").replace(";", " ").replace(",", " ").replace("|", " ").split()
    return Form(
        email=columns.get("address", ""),
        series=tuple(series),
        cadence=columns.get("cadence", ""),
        timezone=columns.get("timezone", ""),
        language=columns.get("language", ""),
        name=columns.get("name", ""),
    )


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if "\0" in first:
            raise BadInput("the list is not text;", where=str(path), remedy="export it as CSV in UTF-8.")
        delimiter = max(",;\t", key=first.count)
        names = _names(next(csv.reader([first], delimiter=delimiter), []))
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        if "address" in names:
            next(reader)
        elif _is_address(first.strip().strip('"')):
            names = ["address"]  # a bare list of addresses
        else:
            raise BadInput(
                "the list has no column named address;",
                where=f"{path}, line 1",
                remedy=f"name the columns {', '.join(COLUMNS)}; only address must be there.",
            )
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, f"this is no CSV ({error});"
                continue
            if any(cell.strip() for cell in cells):
                yield reader.line_num, {n: c.strip() for n, c in zip(names, cells, strict=False) if n}


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
