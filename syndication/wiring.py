"""From settings to the things a process needs: database, bell, renderer, signer. The only place that knows "embedded".

A service that `syndicate up` runs leaves `service.json` in its data directory, so that a command typed beside it finds the
same base address and broker.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from syndication.hints import Bell
from syndication.ledger.db import Database
from syndication.rendering import Renderer
from syndication.settings import Settings
from syndication.tokens import Signer, new_secret


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
    settings = settings or Settings()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    service = running_service(settings.data_dir)
    return Wiring(
        settings=settings,
        base_url=settings.base_url or service.get("base_url") or settings.resolved_base_url,
        broker_url=settings.broker_url or service.get("broker_url", ""),
    )


def running_service(data_dir: Path) -> dict[str, Any]:
    """What `syndicate up` wrote about itself: base_url, broker_url, pid. Empty where nothing runs."""
    try:
        service: dict[str, Any] = json.loads((data_dir / "service.json").read_text("utf-8"))
        os.kill(int(service["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return {}
    return service


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
