"""From settings to the things a process needs: database, bell, renderer, signer. The only place that knows "embedded".

A service that `syndicate up` runs leaves `service.json` in its data directory, so that a command typed beside it finds the
same base address and broker.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import select

from syndication.errors import NeedsHuman, SyndicationError
from syndication.hints import Bell
from syndication.ledger.content import Publication
from syndication.ledger.db import Database
from syndication.logs import log_to_stderr
from syndication.rendering import Renderer
from syndication.settings import Settings, read_settings
from syndication.tokens import Signer, new_secret

MISCONFIGURED = 78  # EX_CONFIG of sysexits.h


@dataclass(frozen=True)
class Wiring:
    """What entry points hand to use cases. Opens nothing until it is asked for."""

    settings: Settings
    base_url: str
    broker_url: str

    @cached_property
    def db(self) -> Database:
        return Database(self.settings.resolved_database_url, ring=Bell(self.broker_url))

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(self.settings.templates_dir)

    @cached_property
    def signer(self) -> Signer:
        keys = tuple(key.strip() for key in self.settings.secret_keys.split(",") if key.strip())
        return Signer(keys or (_kept_secret(self.settings.data_dir),))


def open_wiring(settings: Settings | None = None) -> Wiring:
    """Reads the settings (or takes them) and the running service's address; makes the data directory, 0700."""
    settings = settings or read_settings()
    make_data_dir(settings.data_dir)
    service = running_service(settings.data_dir)
    return Wiring(
        settings=settings,
        base_url=settings.base_url or service.get("base_url") or settings.resolved_base_url,
        broker_url=settings.broker_url or service.get("broker_url", ""),
    )


def at_home(wiring: Wiring) -> Wiring:
    """The same; where nobody said a base address, with the one that the ledger's feeds were made for."""
    if wiring.settings.base_url or running_service(wiring.settings.data_dir):
        return wiring
    made_for = ledger_base_url(wiring)
    wiring.db.close()
    return replace(wiring, base_url=made_for or wiring.base_url)


def ledger_base_url(wiring: Wiring) -> str:
    """The base address that the ledger's feeds were made for; empty: none was made yet."""
    with wiring.db.reading() as session:
        return session.scalars(select(Publication.base_url).limit(1)).first() or ""


def wiring_of_a_process() -> Wiring:
    """For a web, worker or beat process: logs set up; what is wrong with the settings is said in words and ends it."""
    try:
        settings = read_settings()
        log_to_stderr(settings, os.environ)
        return open_wiring(settings)
    except SyndicationError as error:
        sys.stderr.write(f"syndication: {error}\n")
        raise SystemExit(MISCONFIGURED) from None


def make_data_dir(place: Path) -> None:
    """Made with 0700 where it is not there. Raises NeedsHuman where it cannot be."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NeedsHuman(
            f"the data directory cannot be made ({error.strerror});",
            where=str(place),
            remedy="name another with SYNDICATION_DATA_DIR (or DATA_DIR= of make run), or give this user the right to.",
        ) from error


def announce(data_dir: Path, **service: str) -> None:
    """What `syndicate up` says about itself, for commands typed beside it: base_url, broker_url, preparing (why not ready).

    Closed to others, because the broker may have a password. `pid` and `started` tell whether it still holds.
    """
    file = data_dir / "service.json"
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    started = psutil.Process().create_time()
    fresh.write_text(json.dumps({**service, "pid": os.getpid(), "started": started}), "utf-8")
    fresh.replace(file)


def running_service(data_dir: Path) -> dict[str, Any]:
    """What the `syndicate up` that works in this directory announced. Empty where none does, or it was killed."""
    try:
        service: dict[str, Any] = json.loads((data_dir / "service.json").read_text("utf-8"))
        same = abs(psutil.Process(int(service["pid"])).create_time() - float(service["started"])) < 1
    except (OSError, ValueError, KeyError, psutil.Error):
        return {}
    return service if same else {}


def _kept_secret(data_dir: Path) -> str:
    """Made once for an installation that was given no key; 0600 in the data directory."""
    file = data_dir / "secret_key"
    if not file.exists():
        fresh = data_dir / f".secret_key.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(new_secret(), "ascii")
        try:
            os.link(fresh, file)  # the first of several processes wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_text("ascii").strip()
