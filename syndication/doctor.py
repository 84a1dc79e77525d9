"""What is wrong with a set-up, in plain words, and how to mend it. Looks and changes nothing."""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
from collections.abc import Callable
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
from syndication.ledger import attempts, schema
from syndication.ledger.content import Publication
from syndication.ledger.operations import Seen
from syndication.settings import LOOPBACK_HOSTS
from syndication.wiring import Wiring

Level = Literal["good", "note", "wrong"]
SEEN_WITHIN = timedelta(minutes=1)
LEAST_FREE_BYTES = 500_000_000
MOST_SKEW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is one sentence; `remedy` one more, empty where all is well."""

    level: Level
    about: str
    what: str
    remedy: str = ""


def examine(wiring: Wiring) -> list[Finding]:
    """Everything that can be looked at, in the order in which one would mend it."""
    found = [_data_dir(wiring), _disk(wiring), _secret_keys(wiring)]
    ledger = _ledger(wiring)
    found.append(ledger)
    if ledger.level == "good":
        found += _at_work(wiring)
    return [*found, _broker(wiring), _mail(wiring)]


def _data_dir(wiring: Wiring) -> Finding:
    place = wiring.settings.data_dir
    if not os.access(place, os.W_OK):
        return Finding("wrong", "data directory", f"{place} cannot be written to.", "Give this user the right to.")
    if place.stat().st_mode & 0o077:
        return Finding("note", "data directory", f"{place} can be read by others.", f"Run: chmod 700 '{place}'.")
    return Finding("good", "data directory", f"{place} is ours.")


def _disk(wiring: Wiring) -> Finding:
    free = shutil.disk_usage(wiring.settings.data_dir).free
    if free < LEAST_FREE_BYTES:
        return Finding(
            "wrong", "disk", f"only {free // 1_000_000} MB are free.", "Make room: a full disk stops sending."
        )
    return Finding("good", "disk", f"{free // 1_000_000_000} GB are free.")


def _secret_keys(wiring: Wiring) -> Finding:
    if wiring.settings.secret_keys:
        return Finding("good", "secret keys", "they are set.")
    if urlsplit(wiring.base_url).hostname in LOOPBACK_HOSTS:
        return Finding("good", "secret keys", "one was made for this machine and lies in the data directory.")
    return Finding(
        "wrong", "secret keys", "none is set, so every host signs links with a key of its own.",
        "Set SYNDICATION_SECRET_KEYS to the same long random text on every host.",
    )  # fmt: skip


def _ledger(wiring: Wiring) -> Finding:
    try:
        standing = schema.standing(wiring.db)
    except SQLAlchemyError as error:
        return Finding(
            "wrong",
            "ledger",
            f"the database does not answer ({type(error).__name__}).",
            "Check SYNDICATION_DATABASE_URL.",
        )
    remedies = {
        "empty": "Run `syndicate init`.",
        "behind": "Run `syndicate init`.",
        "ahead": "Install the version that made it, or a newer one.",
    }
    if standing in remedies:
        return Finding("wrong", "ledger", f"its schema is {standing}.", remedies[standing])
    return Finding("good", "ledger", "it answers, and its schema is this version's.")


def _at_work(wiring: Wiring) -> list[Finding]:
    found = []
    with wiring.db.reading() as session:
        found.append(_clock(session, wiring))
        for kind, command in (("worker", "celery -A tasks.app worker"), ("beat", "celery -A tasks.app beat")):
            last = session.scalar(select(func.max(Seen.at)).where(Seen.kind == kind))
            if last is None:
                found.append(
                    Finding("wrong", kind, f"no {kind} was ever seen.", f"Start one: `syndicate up`, or `{command}`.")
                )
            elif clock.now() - last > SEEN_WITHIN:
                found.append(
                    Finding(
                        "wrong",
                        kind,
                        f"no {kind} was seen since {last:%Y-%m-%d %H:%M} UTC.",
                        f"Start one: `{command}`.",
                    )
                )
            else:
                found.append(Finding("good", kind, "one was seen within the last minute."))
        found += [_held(work) for work in attempts.held(session)]
        publication = session.scalars(select(Publication).limit(1)).first()
    if publication is None:
        found.append(Finding("note", "publication", "there is none yet.", "Run `syndicate import` on a tree."))
    elif not publication.postal_address:
        found.append(
            Finding("note", "publication", "it has no postal address, which mail to many must carry.",
                    "Set postal_address in publication.toml and import it.")
        )  # fmt: skip
    return found


def _held(work: attempts.Held) -> Finding:
    kind, _, id_ = work.work.partition(":")
    what = {"publish": f"entry {id_} cannot be published", "feed": f"feed {id_} cannot be rendered",
            "freeze": f"issue {id_} cannot be frozen"}.get(kind, f"{work.work} cannot be done")  # fmt: skip
    why = work.reason or "its worker ended each time without a word"
    return Finding(
        "wrong", "held work", f"{what}, tried {work.tries} times: {why}",
        f"Mend that; it is tried again at {work.due_at:%Y-%m-%d %H:%M} UTC.",
    )  # fmt: skip


def _clock(session: Session, wiring: Wiring) -> Finding:
    if wiring.db.is_sqlite:
        return Finding("good", "clock", "the ledger is on this machine.")
    skew = abs(session.execute(text("SELECT clock_timestamp()")).scalar_one() - clock.now())
    if skew > MOST_SKEW:
        return Finding(
            "wrong", "clock", f"this machine and the database differ by {skew.seconds} s.", "Run an NTP client on both."
        )
    return Finding("good", "clock", "this machine and the database agree.")


def _broker(wiring: Wiring) -> Finding:
    if not wiring.broker_url:
        return Finding(
            "note",
            "broker",
            "none is set and no service runs here.",
            "Start `syndicate up`, or set SYNDICATION_BROKER_URL.",
        )
    url = wiring.broker_url.replace("redis+socket://", "unix://")
    try:
        client = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        client.ping()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except (RedisError, OSError, ValueError) as error:
        return Finding(
            "wrong", "broker", f"it does not answer ({error}).", "Work goes on by sweeps, later. Start the broker."
        )
    if policy != "noeviction":
        return Finding("note", "broker", f"it may drop hints (maxmemory-policy {policy}).", "Set it to noeviction.")
    return Finding("good", "broker", "it answers.")


def _mail(wiring: Wiring) -> Finding:
    url = urlsplit(wiring.settings.resolved_mail_url)
    if url.scheme == "maildir":
        place = Path(wiring.settings.resolved_mail_url.removeprefix("maildir:"))
        if urlsplit(wiring.base_url).hostname in LOOPBACK_HOSTS:
            return Finding("good", "mail", f"it is written to {place} and reaches nobody.")
        return Finding(
            "wrong", "mail", f"there is no relay: mail is written to {place}.", "Set SYNDICATION_MAIL_URL=smtp://…."
        )
    kinds: dict[str, Callable[..., smtplib.SMTP]] = {"smtp": smtplib.SMTP, "smtps": smtplib.SMTP_SSL}
    if url.scheme not in kinds or not url.hostname:
        return Finding(
            "wrong", "mail", f"{url.scheme!r} is no way to send.", "Write smtp://host:port, smtps://… or maildir:PATH."
        )
    try:
        with kinds[url.scheme](url.hostname, url.port or (465 if url.scheme == "smtps" else 25), timeout=5) as relay:
            relay.ehlo()
    except (OSError, smtplib.SMTPException, socket.gaierror) as error:
        return Finding(
            "wrong", "mail", f"the relay {url.hostname} does not answer ({error}).", "Check its address and firewall."
        )
    return Finding("good", "mail", f"the relay {url.hostname} answers.")
