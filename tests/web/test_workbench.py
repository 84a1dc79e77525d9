"""The workbench and the outbox: what went out, the notice marked and counted, and for nobody but the person here."""

from __future__ import annotations

import pytest
from lxml import html
from sqlalchemy import update
from starlette.testclient import TestClient

from syndication.ledger.content import Entry
from syndication.ledger.db import Database
from syndication.web.marking import mark_html, mark_text
from syndication.wiring import Wiring
from tests.web.web_world import BASE, NewEntry, browser

HERE = ("/workbench", "/outbox/", "/outbox")
NOTICE = 'The positions of A & B\'s "friends", and ours, are independent. A full list is here.'


def test_four_panes_each_with_the_notice_marked_once(client: TestClient, mailed: tuple[int, int]) -> None:
    entry, delivery = mailed
    answer = client.get("/workbench")
    assert answer.status_code == 200
    assert "1 · 1 · 1 · 1" in answer.text
    page = html.fromstring(answer.text)
    assert len(page.xpath("//section[@class='pane']")) == 4
    marked = [m.text_content() for m in page.xpath("//pre//mark")]
    assert len(marked) == 2
    assert all("Tideway Institute" in m and "acknowledge" in m for m in marked)
    frames = page.xpath("//iframe/@src")
    assert frames == [f"/workbench/{entry}/feed-reader", f"/workbench/{entry}/mail"]
    for frame in frames:
        shown = client.get(frame)
        assert shown.headers["content-security-policy"].startswith("sandbox")
        assert "script-src" not in shown.headers["content-security-policy"]
        assert shown.text.count("<mark>") == 1
    assert f"/outbox/{delivery}" in answer.text
    assert "/feeds/ferries.atom" in answer.text
    assert "scope-1" not in answer.text


def test_the_newest_issue_adds_up(client: TestClient, mailed: tuple[int, int]) -> None:
    (equation,) = html.fromstring(client.get("/workbench").text).xpath("//p[@class='equation']")
    words = " ".join(equation.text_content().split())
    assert words.startswith("eligible 1 = pending 0 + sending 0 +")
    assert "sent 1 +" in words
    assert "does not add up" not in client.get("/workbench").text


def test_an_equation_that_does_not_hold_is_said(client: TestClient, mailed: tuple[int, int], db: Database) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE issue SET eligible = 7")
    assert "It does not add up" in client.get("/workbench").text


def test_channels_without_bytes_say_so(client: TestClient, new_entry: NewEntry) -> None:
    assert "Nothing is published yet" in client.get("/workbench").text
    new_entry("tides")
    text = client.get("/workbench").text
    assert "1 · – · – · –" in text
    assert "No mail with this entry" in text
    assert "There is no partner yet" in text
    assert "No issue was cut yet" in text


def test_only_published_entries(client: TestClient, mailed: tuple[int, int], new_entry: NewEntry, db: Database) -> None:
    draft = new_entry("secret", draft=True)
    for path in (f"/workbench/{draft}", f"/workbench/{draft}/feed-reader", "/workbench/999"):
        assert client.get(path).status_code == 404
    assert "secret" not in client.get("/workbench").text
    with db.transaction() as session:
        session.execute(update(Entry).where(Entry.id == mailed[0]).values(state="withdrawn"))
    assert client.get(f"/workbench/{mailed[0]}").status_code == 404


def test_outbox_lists_and_shows(client: TestClient, mailed: tuple[int, int]) -> None:
    _, delivery = mailed
    listing = client.get("/outbox/").text
    assert "Über tides" in listing
    assert "ana@example.org" in listing
    shown = client.get(f"/outbox/{delivery}")
    assert "series@tideway.example" in shown.text
    assert "<script>" not in shown.text
    framed = client.get(f"/outbox/{delivery}/html")
    assert "sandbox" in framed.headers["content-security-policy"]
    assert framed.text.index("<base") > framed.text.index("<head")
    assert client.get("/outbox/999").status_code == 404
    assert client.get("/outbox/?page=2").status_code == 404


@pytest.mark.parametrize(
    ("peer", "base_url", "header"),
    [
        ("10.0.0.9", BASE, {}),
        ("127.0.0.1", "http://news.example.org", {}),
        ("127.0.0.1", BASE, {"X-Forwarded-For": "10.0.0.9"}),
        ("127.0.0.1", BASE, {"Forwarded": "for=10.0.0.9"}),
        ("testclient", BASE, {}),
    ],
)
def test_for_everybody_else_they_do_not_exist(
    wiring: Wiring, mailed: tuple[int, int], peer: str, base_url: str, header: dict[str, str]
) -> None:
    paths = (*HERE, f"/outbox/{mailed[1]}", f"/outbox/{mailed[1]}/html", f"/workbench/{mailed[0]}/mail")
    with browser(wiring, peer, base_url) as client:
        assert {client.get(path, headers=header).status_code for path in paths} == {404}


@pytest.mark.parametrize(("name", "value"), [("mail_url", "smtp://relay:25"), ("base_url", "https://news.example.org")])
def test_only_with_the_maildir_on_loopback(wiring: Wiring, mailed: tuple[int, int], name: str, value: str) -> None:
    object.__setattr__(wiring.settings, name, value)
    with browser(wiring) as client:
        assert {client.get(path).status_code for path in HERE} == {404}


@pytest.mark.parametrize(
    "text",
    [
        NOTICE,
        NOTICE.replace("list is", "list <https://x.example/a> is").replace(" and", "\nand"),
        NOTICE.replace("'", "’").replace('"friends"', "“friends”"),
        NOTICE.replace("&", "&amp;").replace('"', '\\"').replace("A full list", '<a href=\\"x\\">A full list</a>'),
    ],
)
def test_marked_in_text_and_json(text: str) -> None:
    marked = mark_text(f"before <b> {text} after", NOTICE)
    assert marked.count("<mark>") == 1
    assert marked.startswith("before &lt;b&gt; <mark>")
    assert marked.endswith("</mark> after")


def test_nothing_is_marked_where_nothing_stands() -> None:
    assert "<mark>" not in mark_text("The positions of A", NOTICE)
    assert "<mark>" not in mark_html("<p>The positions of A</p>", NOTICE)


def test_marked_in_html_innermost_and_each() -> None:
    paragraph = (
        '<p>The positions of A &amp; B’s "friends", and <b>ours</b>, are independent. '
        '<a href="x">A full list</a> is here.</p>'
    )
    once = html.fromstring(mark_html(f"<div><p>Other</p>{paragraph}</div>", NOTICE))
    assert [m.getparent().tag for m in once.iter("mark")] == ["p"]
    assert mark_html(f"<div>{paragraph}<hr>{paragraph}</div>", NOTICE).count("<mark>") == 2
