"""`syndicate publish`, `schedule`, `unschedule`, `correct`, `withdraw`, `discard`, `entries`.

`publish` schedules for now, rings and waits for the workers; where none was seen or the bell does not ring it does the work
itself, and also where they have not done it in `WAIT_SECONDS` (it then says why they could not).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from time import sleep
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.cli.output import AsJson, emit, moment, progress, say, state
from syndication.errors import BadInput, NeedsHuman
from syndication.ledger import attempts, presence
from syndication.ledger.bulk import among
from syndication.ledger.content import Draft, Entry, Revision, Series
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.lookup import entry_named, the_publication
from syndication.ledger.states import ENTRY
from syndication.wiring import Wiring

WAIT_SECONDS = 30.0
LINTED = 500
AT_A_TIME = 5_000  # entries one query names
COLUMNS = ("id", "series", "slug", "state", "title", "published_at", "scheduled_at")

Refs = Annotated[list[str] | None, typer.Argument(metavar="ENTRY…", help="Ids, series/slug, or tag addresses.")]
Ref = Annotated[str, typer.Argument(metavar="ENTRY", help="Id, series/slug, or tag address.")]


def publish(
    entries: Refs = None,
    all_: Annotated[bool, typer.Option("--all", help="Every draft that is not scheduled.")] = False,
    no_mail: Annotated[
        bool, typer.Option("--no-mail", help="A backfill: into feeds by its date, mailed to nobody.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish entries. Feeds and pages show them at once; subscribers get them by their cadence."""
    wiring = state()
    if bool(entries) == all_:
        raise BadInput("name entries, or say --all;", remedy="`syndicate entries` lists them.")
    with wiring.db.reading() as session:
        if all_:
            the_publication(session)
            ids = list(session.scalars(select(Entry.id).join(Draft).where(Entry.state == "draft").order_by(Entry.id)))
        else:
            ids = [entry_named(session, ref).id for ref in entries or ()]
    try:
        with progress("publishing") as moved:
            publish_through_workers(wiring, ids, mail=not no_mail, progress=moved)
    except NeedsHuman:
        show(wiring.db, ids, as_json)  # the others are published
        raise
    warn(wiring, ids)
    show(wiring.db, ids, as_json)


def warn(wiring: Wiring, ids: Sequence[int]) -> None:
    """What the linter says of published entries, on stderr."""
    from syndication.feeds import linting

    for start in range(0, len(ids), LINTED):
        with wiring.db.reading() as session:
            part = ids[start : start + LINTED]
            found = linting.of_entries(session, the_publication(session), part, wiring.base_url, clock.now())
        for entry, one in found:
            typer.echo(f"{one.level}: {entry}, {one.where}: {one.what}; {one.remedy}", err=True)


def publish_through_workers(wiring: Wiring, ids: Sequence[int], *, mail: bool, progress: Any = None) -> None:
    """Schedules drafts for now, rings, waits; does in this process what is left. Raises what the gate refuses."""
    from syndication import publishing

    before: dict[int, tuple[datetime, bool]] = {}
    if workers_seen(wiring.db, "publish"):
        with wiring.db.transaction() as session:
            drafts = list(
                session.scalars(
                    select(Entry).where(among(session, Entry.id, ids), Entry.state.in_(("draft", "scheduled")))
                ).unique()
            )
            before = {e.id: (e.scheduled_at, e.mail_wanted) for e in drafts if e.scheduled_at is not None}
            at = ledger_now(session)  # one time for all: they go out in one act
            for entry in drafts:
                publishing.make_due(session, entry, at, mail=mail)
        if drafts and wiring.db.ring("publish.publish_due"):
            _wait(wiring.db, [entry.id for entry in drafts], progress)
    try:
        publishing.publish(wiring.db, wiring.base_url, _left(wiring.db, ids), mail=mail, progress=progress)
    except Exception:
        _as_before(wiring.db, ids, before)  # what could not be published waits as it did, not as due for ever
        raise
    _catch_up(wiring)


def _catch_up(wiring: Wiring) -> None:
    """Renders the other feeds that are owed now, where there is no worker to do it."""
    from syndication import publishing

    if not workers_seen(wiring.db, "publish"):
        publishing.catch_up(wiring.db, wiring.base_url)


def schedule(
    entry: Ref,
    at: Annotated[
        str,
        typer.Argument(
            metavar="TIME", help="Like 2026-11-30 08:00 (the publication's zone) or 2026-11-30T08:00+01:00."
        ),
    ],
    no_mail: Annotated[bool, typer.Option("--no-mail", help="Mailed to nobody.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish an entry at a time to come. Until then nothing of it can be seen in any public place."""
    from syndication import publishing

    wiring = state()
    with wiring.db.transaction() as session:
        found = entry_named(session, entry)
        zone = the_publication(session).timezone
        publishing.schedule(session, found, moment(at, zone).astimezone(ZoneInfo(zone)), mail=not no_mail)
    show(wiring.db, [found.id], as_json)


def unschedule(entry: Ref, as_json: AsJson = False) -> None:
    """Make a scheduled entry a draft again: it is published when somebody says so."""
    from syndication import publishing

    wiring = state()
    with wiring.db.transaction() as session:
        found = entry_named(session, entry)
        publishing.unschedule(session, found)
    show(wiring.db, [found.id], as_json)


def discard(entry: Ref, as_json: AsJson = False) -> None:
    """Take away what was never published: a draft, or the waiting change of a published entry.

    While its document lies in the tree, the next import brings it back.
    """
    from syndication import publishing

    wiring = state()
    with wiring.db.transaction() as session:
        found = entry_named(session, entry)
        name = f"{found.series.slug}/{found.slug}"
        title = publishing.discard(session, found)
    if as_json:
        emit({"discarded": name, "title": title}, True)
    else:
        say(f"discarded: {name}, “{title}”")


def correct(
    entry: Ref,
    summary: Annotated[str, typer.Option(help="What was corrected, for readers and partners.")] = "",
    severity: Annotated[
        str, typer.Option(help="typo: in place only; correction, retraction: an entry of its own tells of it.")
    ] = "",
    mail: Annotated[bool, typer.Option("--mail", help="What tells of it is mailed to subscribers too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the imported change of a published entry as its next revision.

    Readers do not mark an entry that changed as unread; so, with a --summary or from --severity correction on, an entry of its
    own tells of the correction.
    """
    from syndication import embargo, publishing

    wiring = state()
    found = _id(wiring.db, entry)
    how = _severity(severity or ("correction" if summary else "typo"))
    publishing.correct(wiring.db, wiring.base_url, found, summary, severity=how, mail=mail)
    _catch_up(wiring)
    embargo.publish_due(wiring.db, wiring.base_url)
    warn(wiring, [found])
    show(wiring.db, [found], as_json)


def withdraw(
    entry: Ref,
    reason: Annotated[str, typer.Option(help="Why, in one sentence; readers and partners see it.")],
    severity: Annotated[
        str, typer.Option(help="typo: it just goes; correction, retraction: an entry of its own tells of it.")
    ] = "retraction",
    mail: Annotated[bool, typer.Option("--mail", help="What tells of it is mailed to subscribers too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take an entry back: out of feeds, pages and mail that has not gone yet. It keeps its id and its revisions.

    An entry of its own tells readers so, unless the severity is typo (it was never meant to be out).
    """
    from syndication import embargo, publishing

    if not reason.strip():
        raise BadInput("no reason is given;", where="--reason", remedy="say in one sentence why; readers see it.")
    wiring = state()
    found = _id(wiring.db, entry)
    publishing.withdraw(wiring.db, wiring.base_url, found, reason, severity=_severity(severity), mail=mail)
    _catch_up(wiring)
    embargo.publish_due(wiring.db, wiring.base_url)
    show(wiring.db, [found], as_json)


def _severity(said: str) -> str:
    from syndication.announcing import SEVERITIES

    if said not in SEVERITIES:
        raise BadInput(f"{said!r} is no severity;", where="--severity", remedy=f"say one of {', '.join(SEVERITIES)}.")
    return said


def entries(
    in_state: Annotated[str | None, typer.Option("--state", help="draft, scheduled, published or withdrawn.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the entries, newest first, and how each stands."""
    wiring = state()
    if in_state is not None and in_state not in ENTRY:
        raise BadInput(
            f"{in_state!r} is no state of an entry;", where="--state", remedy=f"say one of {', '.join(ENTRY)}."
        )
    with wiring.db.reading() as session:
        query = select(Entry.id).order_by(Entry.id.desc())
        ids = list(session.scalars(query.where(Entry.state == in_state) if in_state else query))
    if not (ids or in_state or as_json):
        place = "the ledger" if wiring.settings.database_url else wiring.settings.data_dir.absolute()
        say(f"nothing in {place}; `syndicate import TREE` brings entries.")
        return
    show(wiring.db, ids, as_json)


def show(db: Database, ids: Sequence[int], as_json: bool) -> None:
    """The entries `ids` in this order, as JSON or as a table, its times those of the publication's zone."""
    rows: dict[int, dict[str, Any]] = {}
    with db.reading() as session:
        zone = None if as_json or not ids else ZoneInfo(the_publication(session).timezone)
        for start in range(0, len(ids), AT_A_TIME):
            rows.update(_rows(session, ids[start : start + AT_A_TIME], zone))
    if not as_json:
        for row in rows.values():
            row["state"] += ", a change waits" if row["change_waits"] else ""
    emit([rows[i] for i in ids if i in rows], as_json, COLUMNS)


def _rows(session: Session, ids: Sequence[int], zone: ZoneInfo | None) -> dict[int, dict[str, Any]]:
    found = session.execute(
        select(Entry.id, Series.slug.label("series"), Entry.slug, Entry.state, Revision.title, Entry.tag_uri)
        .add_columns(Revision.number, Entry.published_at, Entry.scheduled_at, Draft.entry_id.label("draft"))
        .join(Series, Series.id == Entry.series_id)
        .join(Revision, Revision.id == Entry.revision_id, isouter=True)
        .join(Draft, Draft.entry_id == Entry.id, isouter=True)
        .where(among(session, Entry.id, ids))
    )
    rows = {
        row.id: {
            "id": row.id,
            "series": row.series,
            "slug": row.slug,
            "state": row.state,
            "title": row.title,
            "tag_uri": row.tag_uri,
            "revision": row.number,
            "change_waits": row.draft is not None and row.state == "published",
            "published_at": _local(row.published_at, zone),
            "scheduled_at": _local(row.scheduled_at, zone) if row.state == "scheduled" else None,
        }
        for row in found
    }
    untitled = [i for i, row in rows.items() if row["title"] is None]
    for entry_id, content in session.execute(
        select(Draft.entry_id, Draft.content).where(among(session, Draft.entry_id, untitled))
    ):
        rows[entry_id]["title"] = content.get("title", "")
    return rows


def _local(moment: datetime | None, zone: ZoneInfo | None) -> datetime | None:
    return moment.astimezone(zone) if moment and zone else moment


def workers_seen(db: Database, *queues: str) -> bool:
    """Whether workers that listen to these queues were alive within the last minute."""
    with db.reading() as session:
        return all(presence.at_work(session, queue) for queue in queues)


def _wait(db: Database, ids: Sequence[int], progress: Any) -> None:
    deadline = clock.monotonic() + WAIT_SECONDS
    while clock.monotonic() < deadline:
        with db.reading() as session:
            waiting = session.scalars(
                select(Entry.id).where(among(session, Entry.id, ids), Entry.state == "scheduled")
            ).all()
            tried = attempts.unfinished(session, [attempts.named("publish", entry_id) for entry_id in waiting])
        refused = sum(bool(attempt.reason) for attempt in tried.values())
        done = len(ids) - len(waiting) + refused
        if progress:
            progress(done, len(ids))
        if done == len(ids):
            return
        sleep(0.1)


def _left(db: Database, ids: Sequence[int]) -> list[int]:
    """Those that are not published as they were imported: published ones with a waiting draft too."""
    with db.reading() as session:
        waiting = set(session.scalars(select(Draft.entry_id).where(among(session, Draft.entry_id, ids))))
        states = {
            row.id: row.state
            for row in session.execute(select(Entry.id, Entry.state).where(among(session, Entry.id, ids)))
        }
    return [i for i in ids if i in waiting or states[i] != "published"]


def _as_before(db: Database, ids: Sequence[int], scheduled: Mapping[int, tuple[datetime, bool]]) -> None:
    """Drafts are drafts again; what was scheduled for a time to come keeps it."""
    from syndication import publishing

    with db.transaction() as session:
        due = select(Entry).where(
            among(session, Entry.id, ids), Entry.state == "scheduled", Entry.scheduled_at <= ledger_now(session)
        )
        for entry in session.scalars(due).unique():
            at, mail = scheduled.get(entry.id, (None, True))
            if at is not None and at > ledger_now(session):
                publishing.make_due(session, entry, at, mail=mail)
            else:
                publishing.unschedule(session, entry)


def _id(db: Database, ref: str) -> int:
    with db.reading() as session:
        return entry_named(session, ref).id
