"""A capability address is in no log: not the server's access log, not ours, not in what an error prints."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import requests
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from syndication.ledger.db import Database
from syndication.logs import hide_in_access_log, without_secrets
from syndication.partners import keys, pulling
from syndication.publishing import publish
from tests.partners.partner_world import BASE, add, pulls, serving, token_of
from tests.publishing.conftest import NewEntry


@pytest.mark.sqlite_only
@pytest.mark.timeout(60)
def test_a_real_server_with_its_access_log_on(
    db: Database, publication: int, new_entry: NewEntry, tmp_path: Path
) -> None:
    publish(db, BASE, [new_entry("one")])
    token = token_of(add(db, "Gazette"))
    with db.transaction() as session:
        secret = keys.switch_capability(keys.partner_named(session, "Gazette"), True)
    options = ["--log-level", "debug", "--access-log", "--access-log-fmt", "%(method)s %(path)s %(query_string)s"]
    with serving(db.url, tmp_path, *options) as server:
        hidden = f"{server}/partners/c/{secret}"
        answers = {
            name: requests.get(f"{hidden}/{name}", timeout=5, headers={"Authorization": f"Bearer {token}"}).status_code
            for name in ("feed.rss", "entries", "entries?cursor=x", "feed.doc", "nothing")
        }
        with db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE artifact RENAME TO away")
        answers["broken"] = requests.get(f"{hidden}/feed.atom", timeout=5).status_code
    assert answers == {
        "feed.rss": 200, "entries": 200, "entries?cursor=x": 422, "feed.doc": 404, "nothing": 404, "broken": 503,
    }  # fmt: skip
    printed = (tmp_path / "output").read_text()
    assert printed.count("GET /partners/c/…/") == len(answers), printed
    assert "a partner's pull failed" in printed
    for text in (printed, *(f.read_text(errors="replace") for f in tmp_path.rglob("*.log"))):
        assert secret not in text
        assert token not in text


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ('%(addr)s "%(path)s"', ({"addr": "::1", "path": "/partners/c/SECRET/feed.rss"},)),
        ('%s "GET %s HTTP/1.1"', ("::1", "/partners/c/SECRET/feed.rss?a=b")),
        ("GET /partners/c/SECRET/entries", ()),
    ],
)
def test_however_the_access_log_is_written(
    caplog: pytest.LogCaptureFixture, message: str, arguments: tuple[object, ...]
) -> None:
    hide_in_access_log()
    with caplog.at_level(logging.INFO, "granian.access"):
        logging.getLogger("granian.access").info(message, *arguments)
    assert "/partners/c/…/" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.sqlite_only
def test_a_fault_of_ours_is_logged_without_the_address(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db, "Gazette")
    with db.transaction() as session:
        secret = keys.switch_capability(keys.partner_named(session, "Gazette"), True)

    def broken(*_: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr(pulling, "changes", broken)
    with capture_logs() as logged:
        answer = client.get(f"/partners/c/{secret}/entries")
    assert answer.status_code == 500
    assert answer.json() == {"detail": "This cannot be answered now."}
    (event,) = logged
    assert event["event"] == "a partner's pull failed"
    assert "KeyError: 'a fault'" in event["trace"]
    assert str(secret) not in str(logged)
    assert [(p.what, p.status) for p in pulls(db, 1)] == [("entries", 500)]


@pytest.mark.parametrize("place", ["partners/c", "confirm", "preferences", "unsubscribe", "issues"])
def test_no_address_that_is_a_key_is_in_a_log(place: str) -> None:
    for said in (f"path=/{place}/SECRET", f"GET https://h.example/{place}/SECRET?a=b", f"('/{place}/SECRET',)"):
        assert "SECRET" not in without_secrets(said)
        assert f"/{place}/…" in without_secrets(said)
