"""What is wrong with a set-up, in plain words, and how to mend it. Looks and changes nothing that stays."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from redis import Redis, RedisError
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from syndication import clock
from syndication.digests.report import TO_MEND
from syndication.errors import SyndicationError
from syndication.hints import QUEUES
from syndication.ledger import attempts, presence, schema
from syndication.ledger.content import Publication
from syndication.ledger.db import ledger_now
from syndication.ledger.mailings import Delivery
from syndication.ledger.operations import Seen
from syndication.logs import without_secrets
from syndication.mail import keys, restrictions
from syndication.mail.fleet import full
from syndication.mail.probing import probe
from syndication.mail.records import standing, wanted
from syndication.mail.relays import relay_of
from syndication.mail.trouble import standing as standing_trouble
from syndication.settings import LOOPBACK_HOSTS, PREFIX, unknown_names
from syndication.wiring import Wiring

Level = Literal["good", "note", "wrong"]
LEAST_FREE_BYTES, FEW_FREE_BYTES = 500_000_000, 2_000_000_000
MOST_SKEW = timedelta(seconds=5)
SHORTEST_KEY = 32  # characters


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is one sentence; `remedy` one more, empty where all is well."""

    level: Level
    about: str
    what: str
    remedy: str = ""


def examine(wiring: Wiring) -> list[Finding]:
    """Everything that can be looked at, in the order in which one would mend it."""
    found = [*_variables(), _data_dir(wiring), _disk(wiring), _secret_keys(wiring)]
    ledger = _ledger(wiring)
    found.append(ledger)
    if ledger.level == "good":
        with wiring.db.reading() as session:
            found += [_clock(session, wiring), *_at_work(session), *map(_held, attempts.held(session))]
            found += [
                *_publication(session, wiring),
                *_deliveries(session),
                *_blocked(session),
                *_destinations(session),
                *_full(session, wiring),
            ]
    found.append(_broker(wiring))
    found += [_relay(relay.url) for relay in wiring.settings.relays] or [_mail(wiring)]
    return [*found, *_mail_records(wiring)] if ledger.level == "good" else found


def _variables() -> list[Finding]:
    names = ", ".join(f"{PREFIX}{name}" for name, _ in unknown_names(os.environ))
    if not names:
        return []
    return [Finding("note", "settings", f"{names}: no such setting.", "docs/settings.md lists every one.")]


def _data_dir(wiring: Wiring) -> Finding:
    place = wiring.settings.data_dir
    if place.stat().st_mode & 0o077:
        return Finding("note", "data directory", f"{place} can be read by others.", f"Run: chmod 700 '{place}'.")
    return Finding("good", "data directory", f"{place} is ours alone.")


def _disk(wiring: Wiring) -> Finding:
    """A look at the figures does not see a quota or a read-only disk, so a little is written and thrown away."""
    place = wiring.settings.data_dir
    try:
        with tempfile.TemporaryFile(dir=place) as trial:
            trial.write(bytes(100_000))
            trial.flush()
            os.fsync(trial.fileno())
    except OSError as error:
        return Finding(
            "wrong", "disk", f"{place} cannot be written to ({error.strerror}).",
            "Make room, or give this user the right to: nothing is sent without a journal.",
        )  # fmt: skip
    free = shutil.disk_usage(place).free
    if free < FEW_FREE_BYTES:
        level: Level = "wrong" if free < LEAST_FREE_BYTES else "note"
        return Finding(
            level,
            "disk",
            f"only {free // 1_000_000} MB are free.",
            "Make room: a full disk stops publishing and sending.",
        )
    return Finding("good", "disk", f"{free // 1_000_000_000} GB are free.")


def _secret_keys(wiring: Wiring) -> Finding:
    keys = [key.strip() for key in wiring.settings.secret_keys.split(",") if key.strip()]
    if any(len(key) < SHORTEST_KEY for key in keys):
        return Finding(
            "wrong", "secret keys", f"one has fewer than {SHORTEST_KEY} characters and may be guessed.",
            "Put a long random one first and keep the old one behind it: `openssl rand -base64 32`.",
        )  # fmt: skip
    if keys:
        return Finding("good", "secret keys", f"{len(keys)} set.")
    if _is_here(wiring):
        return Finding("good", "secret keys", "one was made for this machine and lies in the data directory.")
    return Finding(
        "wrong", "secret keys", "none is set, so every host signs links with a key of its own.",
        "Set SYNDICATION_SECRET_KEYS to the same long random text on every host: `openssl rand -base64 32`.",
    )  # fmt: skip


def _ledger(wiring: Wiring) -> Finding:
    try:
        standing = schema.standing(wiring.db)
    except SQLAlchemyError as error:
        said = without_secrets(str(getattr(error, "orig", "") or type(error).__name__).strip().splitlines()[0])
        return Finding(
            "wrong", "ledger", f"the database does not answer ({said}).", "Start it, or mend SYNDICATION_DATABASE_URL."
        )
    if standing == "ahead":
        return Finding(
            "wrong", "ledger", "it was written by a newer version.", "Install the version that made it, or a newer one."
        )
    if standing != "current":
        missing = "it has no schema yet." if standing == "empty" else "migrations are missing."
        return Finding("wrong", "ledger", missing, "Run `syndicate init`.")
    return Finding("good", "ledger", "it answers, and its schema is this version's.")


def _clock(session: Session, wiring: Wiring) -> Finding:
    """Against the database's clock; where that is our own, against the newest thing that was written."""
    if wiring.db.is_sqlite:
        newest = session.scalar(select(func.max(Seen.at)))
        ahead = (newest or clock.now()) - clock.now()
        told = f"this machine's clock stands {round(ahead.total_seconds())} s before what was written already."
    else:
        ahead = abs(session.execute(text("SELECT clock_timestamp()")).scalar_one() - clock.now())
        told = f"this machine and the database differ by {round(ahead.total_seconds())} s."
    if ahead > MOST_SKEW:
        return Finding("wrong", "clock", told, "Run an NTP client on every host, and look at `date -u`.")
    return Finding("good", "clock", "it agrees with the database.")


def _at_work(session: Session) -> list[Finding]:
    """Beat, and for each queue a worker that listens to it."""
    now = ledger_now(session)
    wanted = {"beat": presence.last_seen(session, "beat")}
    wanted |= {f"worker for {q}": presence.last_seen(session, "worker", q) for q in sorted(set(QUEUES.values()))}
    found = []
    for who, last in wanted.items():
        if last is not None and now - last <= presence.SEEN_WITHIN:
            continue
        options = (
            "beat -S tasks.schedule:Scheduler" if who == "beat" else f"worker -Q {who.removeprefix('worker for ')}"
        )
        when = f"since {last:%Y-%m-%d %H:%M:%S} UTC" if last else "within the last hour"
        found.append(
            Finding(
                "wrong", who, f"none was seen {when}.", f"Start it: `syndicate up`, or `celery -A tasks.app {options}`."
            )
        )
    return found or [Finding("good", "at work", "beat, and a worker for every queue.")]


def _held(work: attempts.Held) -> Finding:
    kind, _, id_ = work.work.partition(":")
    what = {"publish": f"entry {id_} cannot be published", "feed": f"feed {id_} cannot be rendered",
            "freeze": f"issue {id_} cannot be frozen"}.get(kind, f"{work.work} cannot be done")  # fmt: skip
    why = work.reason or "its worker ended each time without a word"
    return Finding(
        "wrong", "held work", f"{what}, tried {work.tries} times: {why}",
        f"Mend that; it is tried again at {work.due_at:%Y-%m-%d %H:%M} UTC.",
    )  # fmt: skip


def _publication(session: Session, wiring: Wiring) -> list[Finding]:
    publication = session.scalars(select(Publication).limit(1)).first()
    if publication is None:
        return [Finding("note", "publication", "there is none yet.", "Run `syndicate import` on a tree.")]
    found = []
    if not publication.postal_address:
        found.append(
            Finding("note", "publication", "it has no postal address, which mail to many must carry.",
                    "Set postal_address in publication.toml and import it.")
        )  # fmt: skip
    if wiring.settings.base_url and publication.base_url not in ("", wiring.base_url):
        found.append(
            Finding("wrong", "base address", f"feeds were made for {publication.base_url}, and here it is {wiring.base_url}.",
                    "Set SYNDICATION_BASE_URL to the same on every host, then run `syndicate init`.")
        )  # fmt: skip
    return found


def _deliveries(session: Session) -> list[Finding]:
    unknown = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.state == "unknown"))
    found = held_mail(session)
    if not unknown:
        return found
    return [
        *found,
        Finding("note", "deliveries", f"{unknown} are unknown: the relay's answer was lost in a crash.",
                "See `syndicate deliveries list --state unknown`; `syndicate deliveries resolve` decides about them.")
    ]  # fmt: skip


def held_mail(session: Session) -> list[Finding]:
    """Mail that was looked at, did not go, and is tried again later: an edition that cannot be made, say."""
    waits = text("delivery.state IN ('pending', 'deferred')")
    why = func.min(Delivery.reply)
    held = session.execute(select(func.count(), why).where(waits, TO_MEND)).one()
    if not held[0]:
        return []
    return [
        Finding("wrong", "held mail", f"{held[0]} deliveries wait, tried and not sent: {held[1]}",
                "Mend that; they are tried again by themselves. See `syndicate deliveries list --state pending`.")
    ]  # fmt: skip


def _blocked(session: Session) -> list[Finding]:
    blocked = standing_trouble(session)
    if blocked is None:
        return []
    return [
        Finding(
            "wrong",
            "relay",
            f"no mail goes out since {blocked.since:%Y-%m-%d %H:%M} UTC: {blocked.what}.",
            blocked.advice,
        )
    ]


def _destinations(session: Session) -> list[Finding]:
    found = []
    for one in restrictions.listing(session):
        said = f"{one['name']}: {one['waiting']} wait, it said: {one['reply']}"
        if one["state"] == "blocked":
            remedy = f"{one['advice']} `syndicate destinations release {one['name']}`."
            found.append(Finding("wrong", "destination", f"refuses our mail, {said}", remedy))
        else:
            found.append(
                Finding("note", "destination", f"is sent to slowly, {said}", "Nothing to do: it recovers by itself.")
            )
    return found


def _full(session: Session, wiring: Wiring) -> list[Finding]:
    return [
        Finding("note", "relay", f"{name} has had its share until {until:%Y-%m-%d %H:%M} UTC.",
                "Nothing to do, or raise its limits.")
        for name, until in full(session, wiring.settings)
    ]  # fmt: skip


def _broker(wiring: Wiring) -> Finding:
    if not wiring.broker_url:
        return Finding(
            "note", "broker", "none is set and no service runs here.",
            "Start `syndicate up`, or set SYNDICATION_BROKER_URL.",
        )  # fmt: skip
    url = wiring.broker_url.replace("redis+socket://", "unix://")
    try:
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=None) as client:
            client.ping()
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except (RedisError, OSError, ValueError) as error:
        return Finding(
            "wrong", "broker", f"it does not answer ({without_secrets(str(error))}).",
            "Start it, or mend SYNDICATION_BROKER_URL. Until then nothing is lost, and nothing goes out.",
        )  # fmt: skip
    if policy != "noeviction":
        return Finding("note", "broker", f"it may drop hints (maxmemory-policy {policy}).", "Set it to noeviction.")
    return Finding("good", "broker", "it answers.")


def _mail(wiring: Wiring) -> Finding:
    url = wiring.settings.resolved_mail_url
    if url.startswith("maildir:"):
        place = Path(url.removeprefix("maildir:"))
        if _is_here(wiring):
            return Finding("good", "mail", f"it is written to {place} and reaches nobody.")
        return Finding(
            "wrong", "mail", f"there is no relay: mail is written to {place}.",
            "Set SYNDICATION_MAIL_URL=smtp://USER:PASSWORD@HOST:587.",
        )  # fmt: skip
    return _relay(url)


def _relay(url: str) -> Finding:
    what, remedy = probe(url)
    if what:
        return Finding("wrong", "mail", what, remedy)
    return Finding("good", "mail", f"the relay {urlsplit(url).hostname} takes mail from us.")


def _is_here(wiring: Wiring) -> bool:
    return urlsplit(wiring.base_url).hostname in LOOPBACK_HOSTS


def _mail_records(wiring: Wiring) -> list[Finding]:
    """What receivers look up in the DNS. For a relay on this machine, which tries things out, nothing of it is wrong."""
    host = urlsplit(wiring.settings.resolved_mail_url).hostname
    if host is None:
        return []
    wrong: Level = "note" if host in LOOPBACK_HOSTS else "wrong"
    with wiring.db.reading() as session:
        publication = session.scalars(select(Publication).limit(1)).first()
    if publication is None:
        return []
    try:
        records = wanted(wiring.settings, publication.mail_from, wiring.base_url)
    except SyndicationError as error:
        remedy = error.remedy[:1].upper() + error.remedy[1:]
        return [Finding("wrong", "DKIM", f"no mail goes out: {error.what.rstrip(';')} ({error.where}).", remedy)]
    found = []
    if not wiring.settings.dkim_keys and not relay_of(wiring.settings).signs_alone:
        made = ",".join(keys.unset(wiring.settings))
        step = f"Set SYNDICATION_DKIM_KEYS={made}." if made else "Make a key: `syndicate mail key s1`."
        found.append(Finding(wrong, "DKIM", "mail is not signed.", step))
    for one in standing(records):
        record = one.record
        publish = f"Publish: {record.name}. {record.type} {record.value}"
        if one.state == "there":
            found.append(Finding("good", record.about, f"{record.name} has its {record.type} record."))
        elif one.state == "unanswered":
            found.append(Finding("note", record.about, f"no resolver answered for {record.name}.", publish))
        else:
            told = f"has {one.found!r} instead" if one.found else f"has no {record.type} record"
            found.append(Finding(wrong, record.about, f"{record.name} {told}.", publish))
    return found
