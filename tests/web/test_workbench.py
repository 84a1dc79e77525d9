"""The workbench and the outbox: what went out, the notice marked and counted, and for nobody but the person here."""

from __future__ import annotations

import pytest
from lxml import html
from sqlalchemy import update
from starlette.testclient import TestClient

from syndication.ledger.content import Entry
from syndication.ledger.db import Database
from syndication.web.marking import mark_html, mark_text
from syndication.web.outbox import folder, part, read
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
    assert frames == [f"/workbench/{entry}/feed-reader#notice", f"/workbench/{entry}/mail#notice"]
    for frame in frames:
        shown = client.get(frame.partition("#")[0])
        assert shown.headers["content-security-policy"].startswith("sandbox")
        assert "script-src" not in shown.headers["content-security-policy"]
        (mark,) = html.fromstring(shown.text).xpath("//mark")
        assert mark.get("id") == "notice", "the frame begins there"
        assert "Tideway Institute" in mark.text_content()
    assert f"/outbox/{delivery}" in answer.text
    assert "/feeds/ferries.atom" in answer.text
    assert {a.partition(".")[0] for a in page.xpath("//li/a/@href") if a.startswith("/feeds/")} == {
        "/feeds/", "/feeds/all", "/feeds/ferries",
    }, "of a thousand feeds those near the entry"  # fmt: skip
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


@pytest.mark.parametrize(("times", "shown"), [(0, "1 · 0 · 0 · 1"), (2, "1 · 2 · 2 · 1")])
def test_the_count_is_of_what_lies_in_the_outbox(
    client: TestClient, wiring: Wiring, mailed: tuple[int, int], times: int, shown: str
) -> None:
    """Whatever should have gone out: a message that forgot the notice, or has it twice, is shown as it is."""
    file = folder(wiring.settings) / "new" / str(mailed[1])
    sent = read(file)
    text, page = part(sent, "plain"), part(sent, "html")
    passage, paragraph = text[text.index("The positions") :], page[page.index("<td>") + 4 : page.index("</td>")]
    for kind, whole, notice in (("plain", text, passage), ("html", page, paragraph)):
        body = sent.get_body((kind,))
        assert body is not None
        body.set_content(whole.replace(notice, f"{notice}\n" * times), subtype=kind)
    file.write_bytes(sent.as_bytes())
    answer = client.get("/workbench")
    assert shown in answer.text
    assert answer.text.count('class="count wrong"') == 2


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
    for path in (f"/workbench/{draft}", f"/workbench/{draft}/feed-reader", "/workbench/999", f"/workbench/{2**64}"):
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
        ("127.0.0.1", BASE, {"X-Forwarded-Proto": "https"}),
        ("127.0.0.1", BASE, {"CF-Connecting-IP": "127.0.0.1"}),
        ("127.0.0.1", BASE, {"Via": "1.1 tunnel"}),
        ("127.0.0.1", BASE, {"Host": "127.0.0.1.evil.example"}),
        ("127.0.0.1", BASE, {"Host": "rebound.example:8000"}),
        ("127.0.0.1", BASE, {"Host": "127.0.0.1@evil.example"}),
        ("127.0.0.1", BASE, {"Host": "localhost."}),
        ("127.0.0.1", BASE, {"Host": "0.0.0.0:8000"}),
        ("127.0.0.1", BASE, {"Host": "[::1"}),
        ("127.0.0.1", BASE, {"Host": ""}),
        ("::ffff:10.0.0.9", BASE, {}),
        ("fe80::1", BASE, {}),
        ("", BASE, {}),
        ("testclient", BASE, {}),
    ],
)
def test_for_everybody_else_they_do_not_exist(
    wiring: Wiring, mailed: tuple[int, int], peer: str, base_url: str, header: dict[str, str]
) -> None:
    paths = (*HERE, f"/outbox/{mailed[1]}", f"/outbox/{mailed[1]}/html", f"/workbench/{mailed[0]}/mail")
    with browser(wiring, peer, base_url) as client:
        assert {client.get(path, headers=header).status_code for path in paths} == {404}


@pytest.mark.sqlite_only
def test_two_hosts_are_one_too_many(wiring: Wiring, publication: int) -> None:
    with browser(wiring) as client:
        for names in (("127.0.0.1", "evil.example"), ("127.0.0.1", "127.0.0.1")):
            asked = client.get("/workbench", headers=[("Host", name) for name in names])
            assert asked.status_code == 404


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:8000", "[::1]:8000"])
@pytest.mark.sqlite_only
def test_by_every_name_that_this_machine_has(wiring: Wiring, publication: int, peer: str, host: str) -> None:
    with browser(wiring, peer) as client:
        answer = client.get("/workbench", headers={"Host": host})
    assert answer.status_code == 200
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


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
    assert marked.count("<mark") == 1
    assert marked.startswith('before &lt;b&gt; <mark id="notice">')
    assert marked.endswith("</mark> after")


def test_nothing_is_marked_where_nothing_stands() -> None:
    assert "<mark" not in mark_text("The positions of A", NOTICE)
    assert "<mark" not in mark_html("<p>The positions of A</p>", NOTICE)


def test_marked_in_html_innermost_and_each() -> None:
    paragraph = (
        '<p>The positions of A &amp; B’s "friends", and <b>ours</b>, are independent. '
        '<a href="x">A full list</a> is here.</p>'
    )
    once = html.fromstring(mark_html(f"<div><p>Other</p>{paragraph}</div>", NOTICE))
    assert [m.getparent().tag for m in once.iter("mark")] == ["p"]
    assert mark_html(f"<div>{paragraph}<hr>{paragraph}</div>", NOTICE).count("<mark") == 2


def test_the_newest_issue_leads_to_its_report(client: TestClient, mailed: tuple[int, int]) -> None:
    page = html.fromstring(client.get("/workbench").text)
    (address,) = page.xpath("//section[@aria-labelledby='equation']//a/@href")
    report = client.get(address)
    assert report.status_code == 200
    assert "sent <b>" in report.text
    assert client.get("/workbench/issues/999").status_code == 404
    assert client.get(address, headers={"host": "elsewhere.example"}).status_code == 404
