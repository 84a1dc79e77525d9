"""Every setting, its unit and its default: `SYNDICATION_*` in the environment, then one TOML file, then the default.

The file is `SYNDICATION_CONFIG`, else `syndication.toml` in the data directory. `docs/settings.md` lists every one and is
held against this class by a test. `read_settings` tells what is wrong in words; no value is ever repeated in an error, for
it may be a password.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from limits import parse as parse_rate
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from syndication import setting_values
from syndication.errors import BadInput

PREFIX = "SYNDICATION_"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
DATABASES = frozenset({"sqlite", "postgresql", "postgresql+psycopg"})
BROKERS = frozenset({"redis", "rediss", "redis+socket"})
WAYS_TO_SEND = frozenset({"smtp", "smtps", "maildir"})


class RelaySettings(BaseModel):
    """One of several relays. A limit of 0 is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    name: str = ""
    per_second: float = Field(0, ge=0, allow_inf_nan=False)
    per_hour: int = Field(0, ge=0)
    per_day: int = Field(0, ge=0)
    warmup: tuple[Annotated[int, Field(ge=1)], ...] = ()  # messages on the first day of use, the second, …
    publications: tuple[str, ...] = ()  # slugs; none: for all
    from_domains: tuple[str, ...] = ()

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not (_is_address(value, WAYS_TO_SEND - {"maildir"}) and _leads_somewhere(value)):
            raise ValueError("give smtp://USER:PASSWORD@HOST:PORT or smtps://…")
        return value

    @property
    def label(self) -> str:
        """What it is called in the ledger and in logs."""
        parts = urlsplit(self.url)
        return (self.name or f"{parts.hostname}:{parts.port or parts.scheme}")[:120]


class Settings(BaseSettings):
    """Read once at the start of a process; frozen afterwards."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    data_dir: Path = Field(Path("var"), description="Directory of the embedded database, broker, outbox and journals.")
    config: Path | None = Field(None, description="The TOML file; default `syndication.toml` in the data directory.")
    database_url: str = Field("", description="SQLAlchemy address of the ledger; empty: SQLite in the data directory.")
    broker_url: str = Field("", description="Celery's broker; empty: the embedded Valkey of `syndicate up`.")
    mail_url: str = Field(
        "", description="smtp://user:pass@host:port?…, smtps://…, maildir:PATH; empty: `outbox/` in the data directory."
    )
    relays: tuple[RelaySettings, ...] = Field(
        (), description="Several relays with limits, instead of one `mail_url`: `[[relays]]` in the file, see below."
    )
    base_url: str = Field("", description="Public address of the service, no trailing slash; empty: http://host:port.")
    host: str = Field("127.0.0.1", description="Address the web server binds.")
    port: int = Field(8000, ge=1, le=65535, description="Port the web server binds.")
    web_workers: int = Field(1, ge=1, description="Web processes.")
    worker_processes: int = Field(2, ge=1, description="Processes of each worker that `syndicate up` starts.")
    secret_keys: str = Field(
        "", description="Comma list; the first signs, all verify. Empty: made once and kept in the data directory."
    )
    templates_dir: Path | None = Field(None, description="Single templates found here override the shipped ones.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="How a log line looks on stderr: text, or JSON.")

    feed_cache_bytes: int = Field(64_000_000, ge=0, description="Compressed feed documents one web process keeps.")
    feed_check_seconds: float = Field(
        0.1,
        gt=0,
        description="How often a web process compares its feeds with the ledger; four times as often after a change.",
    )

    poll_limit: str = Field(
        "120/hour",
        description="How often one client may fetch one feed without saying what it has, or one version; empty: no limit.",
    )

    document_max_bytes: int = Field(10_000_000, ge=1, description="Largest document that import takes, in bytes.")
    image_max_bytes: int = Field(5_000_000, ge=1, description="Largest image that import takes, in bytes.")
    image_max_pixels: int = Field(40_000_000, ge=1, description="Largest image that import takes, in pixels.")
    attachment_max_bytes: int = Field(
        50_000_000,
        ge=1,
        le=500_000_000,
        description="Largest attachment (sound, film, PDF) that import takes, in bytes.",
    )

    lease_seconds: int = Field(120, ge=5, description="How long a worker owns a slice of deliveries.")
    task_time_limit_seconds: int = Field(90, ge=1, description="A task is killed after this; less than the lease.")
    visibility_timeout_seconds: int = Field(
        300, ge=1, description="The broker redelivers after this; more than the lease."
    )
    journal_grace_seconds: int = Field(
        300, ge=0, description="After a lost lease, how long a journal may still turn up."
    )
    slice_size: int = Field(500, ge=1, le=5_000, description="Deliveries one claim leases.")
    freeze_chunk: int = Field(2_500, ge=1, le=50_000, description="Subscribers frozen in one transaction.")
    spread_minutes: int = Field(
        0, ge=0, le=720, description="Mail of a daily or weekly issue is sent over so many minutes, evenly; 0: at once."
    )
    bundle_after_days: float = Field(
        30.0, ge=1, description="Sent deliveries of issues finished this long ago are packed into bundles."
    )
    keep_deliveries_days: float = Field(
        730.0, ge=1, description="How long `why` knows who got what; then an issue is its numbers alone."
    )
    retry_ladder_minutes: str = Field(
        "5,30,120,360,720,1440,2880",
        description="Minutes between tries of a deferred delivery, each up to a fifth longer; used up: failed.",
    )
    pacing_seconds: float = Field(
        10.0, gt=0, description="A destination that asked for less gets more with each such step without a complaint."
    )
    mail_max_html_bytes: int = Field(95_000, ge=5_000, description="Largest HTML part of a mail, decoded, in bytes.")
    smtp_timeout_seconds: int = Field(60, ge=1, description="Longest wait for one reply of the relay.")
    dkim_keys: str = Field(
        "",
        description="Comma list of selector=path; of RSA and Ed25519 the first signs, the others only keep their record.",
    )
    dkim_domain: str = Field("", description="Domain that signs (d=); empty: that of the publication's From.")
    bounce_domain: str = Field(
        "", description="Domain of the return paths, one for each delivery (VERP); empty: From takes the bounces."
    )
    smtp_connections: int = Field(
        4, ge=1, le=200, description="Connections to the relay that one worker process holds."
    )
    smtp_window: int = Field(
        4,
        ge=1,
        le=100,
        description="Messages unanswered on one connection, where the relay takes them so (PIPELINING, CHUNKING).",
    )
    journal_flight: int = Field(
        64, ge=1, le=1_000, description="Deliveries that one sync of the journal notes before they are sent."
    )
    sweep_seconds: float = Field(5.0, gt=0, description="How often beat looks for owed work without a hint.")

    hub_lease_days: float = Field(10.0, gt=0, description="Lease of a hub subscription that names none, in days.")
    hub_longest_lease_days: float = Field(30.0, gt=0, description="Longest lease of a hub subscription, in days.")
    hub_per_host: int = Field(
        1_000, ge=1, description="Hub subscriptions that the callbacks of one host may have to one feed in one format."
    )
    hub_signature: Literal["sha256", "sha384", "sha512"] = Field(
        "sha256", description="Method of X-Hub-Signature for subscribers that gave a secret."
    )
    hubs: str = Field("", description="Comma list of other hubs that are told of every change and named in the feeds.")
    push_threads: int = Field(128, ge=8, le=1_000, description="Pushes a worker has under way at a time.")
    push_per_host: int = Field(20, ge=1, description="Pushes under way to one host, for each worker.")
    push_timeout_seconds: float = Field(10.0, gt=0, description="A push must be answered within this, all in all.")
    push_to_loopback: bool = Field(
        False, description="Also push to 127.0.0.0/8 and ::1, for development; never to other private addresses."
    )

    partner_pulls_per_minute: int = Field(120, ge=1, description="Requests one partner may make in a minute.")
    partner_polls_kept_days: int = Field(
        90, ge=1, description="How long requests of partners that carried no text stay on record; those with text stay."
    )
    consent_token_hours: int = Field(72, ge=1, description="How long a confirmation link works.")
    trusted_proxies: str = Field(
        "", description="Comma list of addresses and networks whose X-Forwarded-For is believed."
    )

    _base_url = field_validator("base_url")(setting_values.base_address)
    _hubs = field_validator("hubs")(setting_values.whole_addresses)
    _domains = field_validator("bounce_domain", "dkim_domain")(setting_values.domain)
    _proxies = field_validator("trusted_proxies")(setting_values.networks)
    _ladder = field_validator("retry_ladder_minutes")(setting_values.minutes)

    @field_validator("templates_dir")
    @classmethod
    def _templates_dir(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("there is no such directory")
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if value and not _is_address(value, DATABASES):
            raise ValueError("give sqlite:////PATH or postgresql://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("broker_url")
    @classmethod
    def _broker_url(cls, value: str) -> str:
        if value and not _is_address(value, BROKERS):
            raise ValueError("give redis://:PASSWORD@HOST:6379/0, rediss://… or redis+socket://PATH")
        return value

    @field_validator("mail_url")
    @classmethod
    def _mail_url(cls, value: str) -> str:
        if value and not (_is_address(value, WAYS_TO_SEND) and _leads_somewhere(value)):
            raise ValueError("give smtp://USER:PASSWORD@HOST:PORT, smtps://… or maildir:PATH")
        return value

    @field_validator("poll_limit")
    @classmethod
    def _poll_limit(cls, value: str) -> str:
        try:
            good = not value or parse_rate(value).amount > 0
        except ValueError:
            good = False
        if not good or ";" in value:
            raise ValueError("give one number and a time, such as 120/hour, or nothing")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.mail_url and self.relays:
            raise ValueError("give mail_url or relays, not both")
        if len({relay.label for relay in self.relays}) < len(self.relays):
            raise ValueError("two relays have the same name; name= tells them apart")
        return self

    @model_validator(mode="after")
    def _times(self) -> Self:
        if not self.task_time_limit_seconds < self.lease_seconds < self.visibility_timeout_seconds:
            raise ValueError(
                "task_time_limit_seconds must be less than lease_seconds, and that less than visibility_timeout_seconds"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=settings_file(os.environ))

    @property
    def resolved_base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.port}"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'ledger.sqlite3').absolute()}"

    @property
    def resolved_mail_url(self) -> str:
        first = self.relays[0].url if self.relays else ""
        return self.mail_url or first or f"maildir:{(self.data_dir / 'outbox').absolute()}"

    @property
    def other_hubs(self) -> tuple[str, ...]:
        return tuple(hub.strip() for hub in self.hubs.split(",") if hub.strip())

    @property
    def retry_ladder(self) -> tuple[int, ...]:
        """Seconds to wait before try 2, 3, …"""
        return tuple(round(float(step) * 60) for step in self.retry_ladder_minutes.split(",") if step.strip())

    @property
    def shows_workbench(self) -> bool:
        """The outbox and the four panes exist only on loopback with the maildir transport."""
        return (
            self.resolved_mail_url.startswith("maildir:")
            and urlsplit(self.resolved_base_url).hostname in LOOPBACK_HOSTS
        )


def _is_address(value: str, schemes: frozenset[str]) -> bool:
    try:
        address = urlsplit(value)
        (address.hostname or "").encode("idna")  # as it is looked up: no empty label, none that is too long
        return address.scheme in schemes and (address.port is None or address.port > 0)
    except ValueError:
        return False


def _leads_somewhere(value: str) -> bool:
    """A relay has a host, a maildir a path."""
    parts = urlsplit(value)
    return bool(parts.path) if parts.scheme == "maildir" else bool(parts.hostname)


def settings_file(environment: Mapping[str, str]) -> Path:
    """The TOML file that counts, whether or not it is there."""
    data_dir = Path(environment.get(f"{PREFIX}DATA_DIR") or "var")
    return Path(environment.get(f"{PREFIX}CONFIG") or data_dir / "syndication.toml")


def read_settings() -> Settings:
    """The settings of this process. Raises BadInput that names each wrong one, where it stands and what it should be."""
    named = os.environ.get(f"{PREFIX}CONFIG")
    if named and not Path(named).is_file():
        raise BadInput(
            "there is no such file;", where=f"{PREFIX}CONFIG={named}", remedy="make it, or unset the variable."
        )
    file = settings_file(os.environ)
    nearly = [f"{PREFIX}{name}: did you mean {PREFIX}{meant}?" for name, meant in unknown_names(os.environ) if meant]
    if nearly:
        raise BadInput(
            "no such setting; " + "; ".join(nearly), where="settings", remedy="docs/settings.md lists every one."
        )
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(_in_words(dict(e), file) for e in error.errors(include_input=False, include_context=False))
        raise BadInput(f"{wrong};", where="settings", remedy="docs/settings.md lists every one.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"this is no TOML: {error};", where=str(file), remedy="mend that line.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadInput(f"the settings cannot be read ({why});", where=str(file), remedy="mend the file.") from None


def unknown_names(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """`SYNDICATION_*` variables that are no setting, without the prefix, each with the one that it nearly is, or empty."""
    known = [name.upper() for name in Settings.model_fields]
    names = [name.removeprefix(PREFIX) for name in sorted(environment) if name.startswith(PREFIX)]
    return [(name, (get_close_matches(name, known, 1, 0.85) or [""])[0]) for name in names if name.upper() not in known]


def _in_words(error: dict[str, Any], file: Path) -> str:
    name = "_".join(str(part) for part in error["loc"])
    variable = f"{PREFIX}{name.upper()}"
    where = f"{file}: {name}" if variable not in os.environ and name else variable
    if error["type"] == "extra_forbidden":
        meant = get_close_matches(name, list(Settings.model_fields), 1, 0.6)
        return f"{file}: {name} is no setting" + (f"; did you mean {meant[0]}?" if meant else "")
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if name else said
