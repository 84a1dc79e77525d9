"""Bring in a list of people who agreed elsewhere. `audience.lists` reads it.

`consent`, `consent_at` and `consent_ip` say how, when and from where somebody agreed; they are kept as evidence. `state` and
`suppressed` are what `audience.exporting` writes, so that a list carries on who left.

Guarantees: nobody who left, bounced or complained comes back through a list (guarantee 6), not even into another ledger; a
list never changes what a person chose; a bad row is reported with its line and stops nothing; the same list again changes
nothing; memory is bounded by a batch.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.orm import Session

from syndication import clock
from syndication.audience import leaving
from syndication.audience.following import add_all_shielded, add_ended, begin, held, note, present
from syndication.audience.lists import Row, count_lines, read_rows
from syndication.audience.people import make_people, make_person, wishes_of
from syndication.audience.wishes import EVERYTHING, Evidence, Form, Wanted, known_series, understand
from syndication.errors import BadInput
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.ledger.suppressions import suppressed_among
from syndication.ledger.tables import Consent, Publication, Subscription

BATCH: Final = 500  # rows in one transaction
Progress = Callable[[int, int], None]
_STATES: Final = ("", "active", "asked", "ended")
_REASONS: Final = ("left", "bounced", "complained", "manual", "erased")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not taken, with what to do."""

    line: int
    reason: str
    remedy: str


@dataclass
class PeopleReport:
    """Rows by outcome. `added`: new people; `changed`: known people with a new subscription; `suppressed`: they get no mail;
    `unconfirmed`: they never confirmed, and were left out."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    suppressed: int = 0
    unconfirmed: int = 0
    without_consent: int = 0  # taken, but the row does not say how they agreed
    failures: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listed:
    """A row that was understood. `detail` is the evidence that is kept."""

    line: int
    wanted: Wanted
    detail: dict[str, Any]
    state: str = "active"
    suppressed: str = ""


def import_people(db: Database, path: Path, *, progress: Progress | None = None) -> PeopleReport:
    """Takes the list in batches, each one transaction. `progress(rows so far, lines of the file)`. Raises BadInput for what
    is no list."""
    report = PeopleReport()
    done, lines = 0, count_lines(path) if progress else 0
    rows = read_rows(path)
    while batch := list(islice(rows, BATCH)):
        with db.transaction() as session:
            _batch(session, the_publication(session), batch, path.name, report)
        done += len(batch)
        if progress:
            progress(done, max(done, lines))
    return report


def enrol(
    session: Session, publication: Publication, wanted: Wanted, detail: dict[str, Any], evidence: Evidence
) -> str:
    """Makes one person's subscriptions active without asking them; added | changed | unchanged. What they chose or ended
    themselves stays. The caller has seen to it that they are not suppressed."""
    (outcome,) = _enrol(session, publication, [Listed(0, wanted, detail)], evidence)
    return outcome


def _batch(session: Session, publication: Publication, batch: list[Row], source: str, report: PeopleReport) -> None:
    series = known_series(session, publication.id)
    listed: list[Listed] = []
    for line, columns in batch:
        if isinstance(columns, str):
            report.failures.append(BadRow(line, columns, "mend the row and import the list again."))
            continue
        try:
            wanted = understand(session, publication, _form(columns), series)
            listed.append(_listed(line, wanted, columns, source))
        except BadInput as error:
            report.failures.append(BadRow(line, error.what, error.remedy))
    keys = {row.wanted.address.key for row in listed}
    gone = {row.wanted.address.key: row.suppressed for row in listed if row.suppressed}
    for key, wishes in wishes_of(session, publication.id, gone).items():
        if any(wish.state == "active" for wish in wishes.values()):
            del gone[key]  # whatever happened elsewhere, here they follow something
    for key, reason in gone.items():
        leaving.suppress(session, publication.id, key, reason)
    out = suppressed_among(session, publication.id, keys)
    report.suppressed += sum(row.wanted.address.key in out for row in listed)
    listed = [row for row in listed if row.wanted.address.key not in out]
    report.unconfirmed += sum(row.state == "asked" for row in listed)
    listed = [row for row in listed if row.state != "asked"]
    for row, outcome in zip(listed, _enrol(session, publication, listed, Evidence(via="list")), strict=True):
        setattr(report, outcome, getattr(report, outcome) + 1)
        report.without_consent += outcome != "unchanged" and row.state == "active" and not row.detail["consent"]


def _enrol(session: Session, publication: Publication, listed: Sequence[Listed], evidence: Evidence) -> list[str]:
    """The outcome of each row. Both people nobody knew and rows that change nothing take a few statements, however many."""
    now = clock.now()
    firsts: dict[str, Listed] = {}
    for row in listed:
        firsts.setdefault(row.wanted.address.key, row)
    made = make_people(session, publication, [row.wanted for row in firsts.values()], now)
    new = {key: row for key, row in firsts.items() if key in made}
    _first_wishes(session, publication, new, made, evidence, now)
    wishes = wishes_of(session, publication.id, firsts)
    outcomes = []
    for row in listed:
        key = row.wanted.address.key
        if new.get(key) is row:
            outcomes.append("added")
        elif not _beginning(row, wishes.get(key, {})):
            outcomes.append("unchanged")
        else:
            outcomes.append(_known(session, publication, row, evidence, now))
    return outcomes


def _beginning(row: Listed, rows: Mapping[int, Subscription]) -> list[int]:
    """What a row changes for a person who is known. It begins nothing that they ended, or have, or that their `all` covers;
    what it says that they left is left unless they chose otherwise here."""
    everything = rows.get(EVERYTHING)
    covered = everything is not None and everything.state == "active"
    if row.state == "ended":
        return [scope for scope in row.wanted.scopes if scope not in rows]
    return [
        scope
        for scope in row.wanted.scopes
        if (not covered if (wish := rows.get(scope)) is None else wish.state == "asked" and wish.ended_at is None)
    ]


def _first_wishes(
    session: Session,
    publication: Publication,
    new: Mapping[str, Listed],
    made: Mapping[str, int],
    evidence: Evidence,
    now: datetime,
) -> None:
    if not new:
        return
    cursor = present(session, publication.id)
    wishes, acts = [], []
    for key, row in new.items():
        ended = (
            {"ended_at": now, "ended_reason": "left"}
            if row.state == "ended"
            else {"ended_at": None, "ended_reason": ""}
        )
        wishes += [
            {
                "subscriber_id": made[key], "timezone": row.wanted.timezone, "series_id": scope or None, "scope": scope,
                "cadence": row.wanted.cadence, "state": row.state, "cursor": cursor, "shields": scope != EVERYTHING,
                "asked_at": now, "active_at": now, **ended,
            }
            for scope in row.wanted.scopes
        ]  # fmt: skip
        acts.append(
            {
                "subscriber_id": made[key], "act": "imported", "detail": _said(row, row.wanted.scopes, evidence),
                "ip": evidence.ip[:45], "user_agent": evidence.user_agent[:400], "at": now,
            }
        )  # fmt: skip
    session.execute(insert(Subscription), wishes)
    session.execute(insert(Consent), acts)


def _known(session: Session, publication: Publication, row: Listed, evidence: Evidence, now: datetime) -> str:
    person = make_person(session, publication, row.wanted, now)
    rows = held(session, person.id)
    begun = _beginning(row, rows)
    for scope in begun:
        if row.state == "ended":
            cursor = present(session, publication.id)
            add_ended(session, person, rows, scope, row.wanted.cadence, cursor, "left", now)
        elif scope == EVERYTHING and any(other.shields for other in rows.values()):
            add_all_shielded(session, person, rows, row.wanted.cadence, now)
        else:
            begin(session, person, rows, scope, row.wanted.cadence, now)
    if begun:
        note(session, person, "imported", _said(row, begun, evidence), evidence, now)
        session.flush()
    return "changed" if begun else "unchanged"


def _said(row: Listed, scopes: Sequence[int], evidence: Evidence) -> dict[str, Any]:
    return {
        **row.detail,
        "scopes": list(scopes),
        "cadence": row.wanted.cadence,
        "state": row.state,
        "via": evidence.via,
    }


def _listed(line: int, wanted: Wanted, columns: Mapping[str, str], source: str) -> Listed:
    state, suppressed = columns.get("state", "").lower(), columns.get("suppressed", "").lower()
    if state not in _STATES:
        raise BadInput(f"{state[:40]!r} is no state;", remedy="write active, asked or ended, or leave it out.")
    if suppressed and suppressed not in _REASONS:
        raise BadInput(f"{suppressed[:40]!r} is no reason;", remedy=f"write one of {', '.join(_REASONS)}, or nothing.")
    detail = {
        "list": source,
        "line": line,
        "consent": columns.get("consent", "")[:1_000],
        "consent_at": _moment(columns.get("consent_at", "")),
        "consent_ip": _ip(columns.get("consent_ip", "")),
    }
    return Listed(line, wanted, detail, state or "active", suppressed)


def _moment(text: str) -> str:
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text[:40]!r} is no time;", remedy="write consent_at like 2026-11-30T08:00+01:00.") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError as error:
        raise BadInput(f"{text[:45]!r} is no IP address;", remedy="mend consent_ip, or leave it out.") from error


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
