"""The doctor names what is wrong and says how to mend it; a healthy set-up has nothing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from syndication.doctor import Finding, examine
from syndication.ledger import attempts, presence
from syndication.ledger.db import Database
from syndication.settings import Settings
from syndication.wiring import Wiring


def look(
    db: Database, tmp_path: Path, base: str = "http://127.0.0.1:8000", broker: str = "", **said: object
) -> dict[str, Finding]:
    tmp_path.chmod(0o700)
    wiring = Wiring(Settings(data_dir=tmp_path, **said), base, broker)  # type: ignore[arg-type]
    wiring.__dict__["db"] = db
    return {finding.about: finding for finding in examine(wiring)}


def test_a_healthy_machine(db: Database, tmp_path: Path, valkey: str) -> None:
    with db.transaction() as session:
        presence.note(session, "worker")
        session.flush()
        session.merge(presence.Seen(process="beat@x:1", kind="beat", at=presence.ledger_now(session)))
    found = look(db, tmp_path, broker=valkey)
    assert [f for f in found.values() if f.level == "wrong"] == []
    assert found["broker"].what == "it answers."


@pytest.mark.sqlite_only
def test_what_is_missing_is_named_with_its_remedy(db: Database, tmp_path: Path) -> None:
    found = look(
        db, tmp_path, base="https://news.example", broker="redis://127.0.0.1:1/0", mail_url="smtp://127.0.0.1:1"
    )
    wrong = {name for name, f in found.items() if f.level == "wrong"}
    assert wrong == {"secret keys", "worker", "beat", "broker", "mail"}
    assert all(found[name].remedy for name in wrong)


@pytest.mark.sqlite_only
def test_work_that_fails_again_and_again_is_told(db: Database, tmp_path: Path) -> None:
    for _ in range(attempts.HELD_FROM):
        assert "held work" not in look(db, tmp_path)
        with db.transaction() as session:
            attempts.begin(session, ["publish:7"])
    assert "entry 7 cannot be published, tried 3 times" in look(db, tmp_path)["held work"].what
    with db.transaction() as session:
        attempts.finished(session, ["publish:7"])
    assert "held work" not in look(db, tmp_path)


@pytest.mark.sqlite_only
def test_an_empty_ledger_and_a_missing_relay(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    found = look(db, tmp_path, base="https://news.example")
    assert "empty" in found["ledger"].what
    assert "no relay" in found["mail"].what
    tmp_path.chmod(0o755)
    db.close()
