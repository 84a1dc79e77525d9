"""What a partner sees: its own series alone, changes each once and in order, corrections and withdrawals among them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import Any

import brotli
import pytest
from starlette.testclient import TestClient

from syndication.feeds.owing import render_owed
from syndication.ledger.db import Database
from syndication.partners import pulling
from syndication.publishing import correct, publish, withdraw
from tests.partners.partner_world import BASE, Auth, add
from tests.publishing.conftest import NewEntry, redraft

ENTRIES = "/partners/v1/entries"


def page(client: TestClient, auth: Auth, **asked: object) -> dict[str, Any]:
    answer = client.get(ENTRIES, headers=auth, params={k: str(v) for k, v in asked.items()})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def all_pages(client: TestClient, auth: Auth, cursor: str = "0", **asked: object) -> tuple[list[dict[str, Any]], str]:
    """Every record from `cursor` on, and the cursor after it."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        got = page(client, auth, cursor=cursor, **asked)
        found += got["entries"]
        assert bool(got["entries"]) or not got["more"]
        cursor, more = got["next_cursor"], got["more"]
    return found, cursor


def test_its_own_series_and_nothing_else(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    mine, other, draft = new_entry("one"), new_entry("two", series=2), new_entry("three")
    publish(db, BASE, [mine, other])
    auth, all_of_it = add(db, "Gazette", "ferries"), add(db, "Everything")
    assert [e["number"] for e in page(client, auth)["entries"]] == [mine]
    assert [e["number"] for e in page(client, all_of_it)["entries"]] == [mine, other]
    assert [e["number"] for e in page(client, all_of_it, series="floods")["entries"]] == [other]
    (record,) = page(client, all_of_it, series="floods")["entries"]
    refused = [
        client.get(path, headers=auth)
        for path in (f"{ENTRIES}/{other}", f"{ENTRIES}/{record['id']}", f"{ENTRIES}/{draft}", f"{ENTRIES}/999",
                     f"{ENTRIES}/%00", f"{ENTRIES}/{'9' * 40}")
    ]  # fmt: skip
    assert {r.status_code for r in refused} == {404}
    assert len({r.text for r in refused}) == 1, "another's entry, a draft and none at all are told apart by nothing"
    others = [client.get(ENTRIES, headers=auth, params={"series": s}) for s in ("floods", "nothing", "\0")]
    assert {r.status_code for r in others} == {404}
    assert len({r.text for r in others}) == 1
    for fmt in ("rss", "atom", "json"):
        assert "On one" in client.get(f"/partners/v1/feed.{fmt}", headers=auth).text
        assert "On two" not in client.get(f"/partners/v1/feed.{fmt}", headers=auth).text
        assert "On two" in client.get(f"/partners/v1/feed.{fmt}", headers=all_of_it).text
    assert client.get("/partners/v1/feed.doc", headers=auth).status_code == 404


def test_a_series_to_come_belongs_to_who_has_all(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    some, everything = add(db, "Gazette", "ferries"), add(db, "Everything")
    publish(db, BASE, [new_entry("two", series=2)])
    assert page(client, some)["entries"] == []
    assert len(page(client, everything)["entries"]) == 1


def test_feeds_answer_conditional_requests_and_every_encoding(
    client: TestClient, db: Database, new_entry: NewEntry
) -> None:
    publish(db, BASE, [new_entry("one")])
    auth = add(db, "Gazette")
    for path in ("feed.rss", "feed.atom", "feed.json", "entries"):
        plain = client.get(f"/partners/v1/{path}", headers=auth | {"Accept-Encoding": "identity"})
        tags = {plain.headers["etag"]}
        for encoding, inflate in (("gzip", gzip.decompress), ("br", brotli.decompress)):
            with client.stream("GET", f"/partners/v1/{path}", headers=auth | {"Accept-Encoding": encoding}) as coded:
                assert coded.headers["content-encoding"] == encoding
                assert inflate(b"".join(coded.iter_raw())) == plain.content
                tags.add(coded.headers["etag"])
        assert len(tags) == 3, "a strong validator belongs to the bytes sent"
        same = client.get(
            f"/partners/v1/{path}",
            headers=auth | {"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]},
        )
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", plain.headers["etag"])
        assert same.headers["cache-control"] == "private, no-cache"
        head = client.head(f"/partners/v1/{path}", headers=auth | {"Accept-Encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(plain.content))
    rss = client.get("/partners/v1/feed.rss", headers=auth)
    assert rss.headers["content-type"] == "application/rss+xml; charset=utf-8"
    dated = client.get("/partners/v1/feed.rss", headers=auth | {"If-Modified-Since": rss.headers["last-modified"]})
    assert dated.status_code == 304


def test_a_change_breaks_the_validator(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    entry = new_entry("one")
    publish(db, BASE, [entry])
    auth = add(db, "Gazette")
    paths = ("feed.rss", "entries", f"entries/{entry}")
    tags = {path: client.get(f"/partners/v1/{path}", headers=auth).headers["etag"] for path in paths}
    with db.transaction() as session:
        redraft(session, entry, title="On one, mended")
    correct(db, BASE, entry)
    render_owed(db, BASE)
    for path, tag in tags.items():
        answer = client.get(f"/partners/v1/{path}", headers=auth | {"If-None-Match": tag})
        assert answer.status_code == 200
        assert "On one, mended" in answer.text


def test_changes_each_once_in_order(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    first = [new_entry(f"e{i}") for i in range(5)]
    new_entry("a-draft")
    publish(db, BASE, first)
    auth = add(db, "Gazette")
    start = page(client, auth, limit=2)
    assert start["more"]
    late = new_entry("late")
    publish(db, BASE, [late])
    withdraw(db, BASE, first[4], "wrong figures")
    rest, cursor = all_pages(client, auth, start["next_cursor"], limit=2)
    seen = [(e["number"], e["state"]) for e in (*start["entries"], *rest)]
    assert seen == [(i, "published") for i in (*first[:4], late)] + [(first[4], "withdrawn")]
    assert page(client, auth, cursor=cursor) == {"entries": [], "next_cursor": cursor, "more": False}
    with db.transaction() as session:
        redraft(session, first[0], title="Corrected")
    correct(db, BASE, first[0])
    (record,), after = all_pages(client, auth, cursor)
    assert (record["title"], record["revision"], record["number"]) == ("Corrected", 2, first[0])
    publish(db, BASE, [first[4]])
    (again,), _ = all_pages(client, auth, after)
    assert (again["number"], again["state"]) == (first[4], "published")


def test_a_withdrawn_entry_says_so_and_no_more(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    entry = new_entry("one", standfirst="A secret word.")
    publish(db, BASE, [entry])
    auth = add(db, "Gazette")
    (before,) = page(client, auth)["entries"]
    withdraw(db, BASE, entry, "wrong figures")
    render_owed(db, BASE)
    (record,) = page(client, auth)["entries"]
    gone = client.get(f"{ENTRIES}/{entry}", headers=auth | {"If-None-Match": "*"})
    assert gone.status_code == 410
    assert gone.json() == record
    assert (record["id"], record["canonical_url"]) == (before["id"], before["canonical_url"])
    assert record["state"] == "withdrawn"
    assert record["withdrawn_reason"] == "wrong figures"
    assert record["withdrawn_at"]
    assert record["content_html"] is None
    for path in (ENTRIES, f"{ENTRIES}/{entry}", "/partners/v1/feed.rss", "/partners/v1/feed.json"):
        text = client.get(path, headers=auth).text
        assert "secret word" not in text
        assert "On one" not in text


def test_a_page_ends_before_it_grows_without_bound(
    client: TestClient, db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [new_entry(f"e{i}") for i in range(4)]
    publish(db, BASE, made)
    auth = add(db, "Gazette")
    monkeypatch.setattr(pulling, "PAGE_BYTES", 10)
    short = page(client, auth, limit=3)
    assert [e["number"] for e in short["entries"]] == made[:1]
    assert short["more"]
    assert [e["number"] for e in all_pages(client, auth, limit=3)[0]] == made


def test_a_cursor_that_was_never_given_out_is_refused(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    """After a return to a backup, numbers begin anew below it: an empty page would hide every entry until they catch up."""
    publish(db, BASE, [new_entry("one")])
    auth = add(db, "Gazette")
    refused = client.get(f"{ENTRIES}?cursor=2", headers=auth)
    assert refused.status_code == 400
    assert "cursor=0" in refused.json()["detail"]
    for wrong in ("-1", "x", "1.5", "9" * 30, "%00"):
        assert client.get(f"{ENTRIES}?cursor={wrong}", headers=auth).status_code == 422
    for wrong in ("0", "101", "x"):
        assert client.get(f"{ENTRIES}?limit={wrong}", headers=auth).status_code == 422


PUBLISHER = """
import sys
from syndication.ledger.db import Database
from syndication.publishing import correct, publish
from tests.publishing.conftest import redraft
url, ids = sys.argv[1], [int(i) for i in sys.argv[2:]]
db = Database(url)
for entry in ids:
    publish(db, "http://testserver", [entry])
    if entry % 3:
        with db.transaction() as session:
            redraft(session, entry, title=f"Corrected {entry}")
        correct(db, "http://testserver", entry)
"""


@pytest.mark.timeout(120)
def test_none_is_lost_while_other_processes_publish(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    entries = [new_entry(f"e{i}", series=1 + i % 2) for i in range(20)]
    auth, half = add(db, "Gazette"), add(db, "Half", "ferries")
    publishers = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, db.url, *map(str, entries[i::2])], stderr=subprocess.PIPE, text=True
        )
        for i in range(2)
    ]
    seen: list[dict[str, Any]] = []
    seen_half: list[dict[str, Any]] = []
    cursor = cursor_half = "0"
    pages_meanwhile = 0
    while any(p.poll() is None for p in publishers):
        got, cursor = all_pages(client, auth, cursor, limit=3)
        got_half, cursor_half = all_pages(client, half, cursor_half, limit=1)
        seen += got
        seen_half += got_half
        pages_meanwhile += bool(got)
    for publisher in publishers:
        assert publisher.returncode == 0, publisher.communicate()[1]
    seen += all_pages(client, auth, cursor)[0]
    seen_half += all_pages(client, half, cursor_half)[0]
    assert pages_meanwhile > 2, "nothing was published while we read"
    for found, expected in ((seen, set(entries)), (seen_half, set(entries[0::2]))):
        assert {e["number"] for e in found} == expected
        changes = [(e["number"], e["revision"]) for e in found]
        assert len(set(changes)) == len(changes), "each change once"
        assert [e["updated_at"] for e in found] == sorted(e["updated_at"] for e in found), "in order"
        last = {e["number"]: e["title"] for e in found}
        assert all(last[n] == f"Corrected {n}" for n in expected if n % 3), "the last word of each arrived"


def test_pages_are_json_of_the_size_they_say(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry("one", topics=['Quotes " and \\ and \u2028 and <b>'])])
    answer = client.get(ENTRIES, headers=add(db, "Gazette") | {"Accept-Encoding": "identity"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert json.loads(answer.content)["entries"][0]["topics"] == ['Quotes " and \\ and \u2028 and <b>']
