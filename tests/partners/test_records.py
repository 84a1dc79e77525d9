"""A record: rights and credit inside the data, the notice exactly once, and bytes without it do not go out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from syndication.errors import DisclaimerBreach
from syndication.feeds.disclaimers import STANDARD, count_html, render_notice
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.partners import records
from syndication.publishing import add_notice, publish
from tests.partners.partner_world import BASE, add
from tests.publishing.conftest import NewEntry

NOTICE, _ = render_notice(
    STANDARD["en"], name="Tideway Institute", supporters_url="https://tideway.example/supporters?a=1&b=2"
)


def test_rights_and_credit_are_inside_the_data(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    entry = new_entry(
        "one", standfirst="Why & how.", authors=[{"name": "Noor Haddad", "url": "https://n.example"}, {"name": "Tomás Leira"}],
        topics=["ferries"], related=[{"title": "A book"}], licence_url="https://creativecommons.org/licenses/by/4.0/",
        canonical_url="https://tideway.example/one",
    )  # fmt: skip
    publish(db, BASE, [entry])
    auth = add(db, "Gazette", licence="Full text, with credit.")
    answer = client.get("/partners/v1/entries", headers=auth)
    (record,) = answer.json()["entries"]
    assert records.EntryRecord.model_validate(record)
    said: dict[str, Any] = {
        "credit": "Noor Haddad, Tomás Leira (Tideway Institute)",
        "licence": "Full text, with credit.",
        "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        "canonical_url": "https://tideway.example/one",
        "publisher": "Tideway Institute",
        "series": "ferries",
        "state": "published",
        "revision": 1,
        "notice_version": 1,
        "language": "en",
        "authors": [{"name": "Noor Haddad", "url": "https://n.example"}, {"name": "Tomás Leira", "url": None}],
        "related": [{"title": "A book", "url": None}],
        "topics": ["ferries"],
        "summary": "Why & how.",
    }
    assert {name: record[name] for name in said} == said
    assert record["content_html"].rstrip().endswith("</p></div>")
    assert sum(count_html(value, NOTICE) for value in record.values() if isinstance(value, str)) == 1
    assert "link" not in answer.headers, "a sentence is no address"


def test_an_entry_without_authors_is_credited_to_the_publisher(
    client: TestClient, db: Database, new_entry: NewEntry
) -> None:
    publish(db, BASE, [new_entry("one")])
    auth = add(db, "Gazette", licence="https://tideway.example/licence")
    answer = client.get("/partners/v1/entries", headers=auth)
    (record,) = answer.json()["entries"]
    assert record["credit"] == "Tideway Institute"
    assert record["canonical_url"] == f"{BASE}/series/ferries/one/"
    assert answer.headers["link"] == '<https://tideway.example/licence>; rel="license"'
    assert client.get("/partners/v1/feed.rss", headers=auth).headers["link"] == answer.headers["link"]


@pytest.mark.parametrize(
    "licence", ["https://x.example/>;rel=a", "https://x.example/ä", "javascript:alert(1)", "https://a b"]
)
@pytest.mark.sqlite_only
def test_what_is_no_address_stays_out_of_the_headers(
    client: TestClient, db: Database, new_entry: NewEntry, licence: str
) -> None:
    publish(db, BASE, [new_entry("one")])
    answer = client.get("/partners/v1/entries", headers=add(db, "Gazette", licence=licence))
    assert "link" not in answer.headers
    assert answer.json()["entries"][0]["licence"] == licence


def test_each_entry_of_a_page_has_the_notice_of_its_language(
    client: TestClient, db: Database, new_entry: NewEntry
) -> None:
    with db.transaction() as session:
        add_notice(session, the_publication(session), "de", STANDARD["de"])
    publish(db, BASE, [new_entry("one"), new_entry("zwei", language="de"), new_entry("three")])
    found = client.get("/partners/v1/entries", headers=add(db, "Gazette")).json()["entries"]
    german, _ = render_notice(
        STANDARD["de"], name="Tideway Institute", supporters_url="https://tideway.example/supporters?a=1&b=2"
    )
    counts = [(count_html(e["content_html"], NOTICE), count_html(e["content_html"], german)) for e in found]
    assert counts == [(1, 0), (0, 1), (1, 0)]


def record(**changed: object) -> bytes:
    return orjson.dumps(
        {"title": "T", "content_html": f"<div><p>Text.</p><p>{NOTICE}</p></div>", "topics": ["a"], **changed}
    )


def test_the_gate_looks_at_the_bytes() -> None:
    records.gate(record(), NOTICE, where="e")
    twice = f"<div><p>{NOTICE}</p><p>{NOTICE}</p></div>"
    for wrong in (
        {"content_html": "<p>Text.</p>"},
        {"content_html": twice},
        {"title": NOTICE},
        {"topics": ["a", NOTICE]},
        {"related": [{"title": NOTICE}]},
        {"content_html": "<p>Text.</p>", "credit": NOTICE.replace("alone", "only")},
    ):
        with pytest.raises(DisclaimerBreach, match=r"partner record.*partners/records\.py"):
            records.gate(record(**wrong), NOTICE, where="e")


def test_a_channel_that_forgot_the_notice_is_stopped(
    client: TestClient, db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(db, BASE, [new_entry("one")])
    auth = add(db, "Gazette")
    real = records.item_view
    for fault in (lambda text: text.replace(NOTICE[:40], ""), lambda text: text + text):

        def faulty(*given: Any, fault: Any = fault, **named: Any) -> Any:
            view = real(*given, **named)
            object.__setattr__(view, "content_html", fault(view.content_html))
            return view

        monkeypatch.setattr(records, "item_view", faulty)
        for path in ("/partners/v1/entries", "/partners/v1/entries/1"):
            answer = client.get(path, headers=auth)
            assert answer.status_code == 503
            assert "On one" not in answer.text
            assert answer.headers["retry-after"]
