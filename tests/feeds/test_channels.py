"""Guarantee 1, channel by channel and by the real way: a rendering that forgot the notice, has it twice or hides it does not
go out, and what is said names template and channel. What a reader sees instead is told too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from syndication.audience import subscribing
from syndication.audience.wishes import Evidence, Form
from syndication.digests.issues import cut_due
from syndication.errors import DisclaimerBreach
from syndication.feeds.formats import FORMATS
from syndication.feeds.owing import render_owed
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Entry, Publication, Series
from syndication.ledger.mailings import Delivery, Letter
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.partners import keys, records
from syndication.publishing import publish
from syndication.rendering import SHIPPED
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring, open_wiring
from tests.digests.digest_world import freeze_owed
from tests.publishing.conftest import NewEntry

pytestmark = pytest.mark.sqlite_only
BASE = "http://127.0.0.1:8000"
Spoil = Callable[[str], str]


@dataclass(frozen=True)
class Channel:
    """`template` prints the notice by `slot`; the error names both."""

    name: str
    template: str
    slot: str


PAGE = Channel("web page", "web/entry.html", "{{ notice.html | safe }}")
HTML_MAIL = Channel("HTML mail", "mail/digest.html", "{{ notice.html|safe }}")
TEXT_MAIL = Channel("text mail", "mail/digest.txt", "{{ notice_text }}")
BROWSER = Channel("view in browser", "mail/digest.html", "{{ notice.html|safe }}")
HTML_LETTER = Channel("HTML mail", "mail/letters/layout.html", "{{ notice_html|safe }}")
TEXT_LETTER = Channel("text mail", "mail/letters/confirm.txt", "{{ notice_text }}")

WAYS: dict[str, Spoil] = {
    "forgot": lambda slot: "",
    "twice": lambda slot: slot + "\n" + slot,
    "in a comment": lambda slot: f"<!-- {slot} -->",
    "hidden": lambda slot: f"<div hidden>{slot}</div>",
    "styled away": lambda slot: f'<div style="display: none">{slot}</div>',
    "once seen, once hidden": lambda slot: f"{slot}<div style='display:none'>{slot}</div>",
}
IN_TEXT = ("forgot", "twice")
MAILED = [
    *((channel, way) for channel in (HTML_MAIL, HTML_LETTER) for way in WAYS),
    *((channel, way) for channel in (TEXT_MAIL, TEXT_LETTER) for way in IN_TEXT),
]


@pytest.fixture
def wiring(tmp_path: Path, db_url: str) -> Iterator[Wiring]:
    overrides = tmp_path / "overrides"
    overrides.mkdir()
    wiring = open_wiring(
        Settings(data_dir=tmp_path / "var", base_url=BASE, database_url=db_url, templates_dir=overrides)
    )
    yield wiring
    wiring.db.close()


@pytest.fixture
def client(wiring: Wiring) -> Iterator[TestClient]:
    app = create_app(wiring)
    with TestClient(app, base_url=BASE, client=("127.0.0.1", 9), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def person(wiring: Wiring, publication: int) -> int:
    """Somebody who confirmed and wants every entry at once; the delivery that carried the confirmation."""
    with wiring.db.transaction() as session:
        form = Form(email="ana@example.org", series=("all",), cadence="at-once")
        subscribing.ask(session, session.get_one(Publication, publication), form, Evidence(ip="192.0.2.1"))
    with wiring.db.transaction() as session:
        letter = session.scalars(select(Letter.delivery_id)).one()
        subscribing.confirm(session, letter, Evidence(ip="192.0.2.1"))
    return letter


def override(wiring: Wiring, channel: Channel, spoil: Spoil) -> None:
    """The publisher's own version of a template, with the notice spoilt."""
    shipped = (SHIPPED / channel.template).read_text("utf-8")
    assert shipped.count(channel.slot) == 1
    assert wiring.settings.templates_dir is not None
    file = wiring.settings.templates_dir / channel.template
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(shipped.replace(channel.slot, spoil(channel.slot)), "utf-8")


def outbox(wiring: Wiring) -> list[Path]:
    return list((wiring.settings.data_dir / "outbox" / "new").glob("*"))


def named(channel: Channel, said: str) -> bool:
    return channel.name in said and channel.template in said and "once" in said


@pytest.mark.parametrize("way", IN_TEXT)
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_feed_format_that_spoils_the_notice_stops_the_publish(
    wiring: Wiring,
    new_entry: NewEntry,
    monkeypatch: pytest.MonkeyPatch,
    fmt: str,
    way: str,
) -> None:
    publish(wiring.db, BASE, [new_entry("one")])
    with wiring.db.reading() as session:
        before = session.execute(select(Artifact.feed_id, Artifact.format, Artifact.etag)).all()
    sound = FORMATS[fmt]

    def spoilt(view):  # type: ignore[no-untyped-def]
        first = view.items[0]
        start = first.content_html.index("<hr>") + 4
        notice = first.content_html[start:].removesuffix("</div>")
        text = first.content_html[:start] + WAYS[way](notice) + "</div>"
        return sound.render(replace(view, items=(replace(first, content_html=text), *view.items[1:])))

    monkeypatch.setitem(FORMATS, fmt, replace(sound, render=spoilt))
    late = new_entry("two")
    with pytest.raises(DisclaimerBreach, match="On two") as caught:
        publish(wiring.db, BASE, [late])
    assert named(Channel(fmt, sound.template, ""), str(caught.value))
    with wiring.db.reading() as session:
        assert session.get_one(Entry, late).state == "draft"
        assert session.execute(select(Artifact.feed_id, Artifact.format, Artifact.etag)).all() == before
    monkeypatch.undo()
    assert [change.act for change in publish(wiring.db, BASE, [late])] == ["published"]


@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_spoils_the_notice_is_a_page_that_says_so(
    wiring: Wiring,
    client: TestClient,
    new_entry: NewEntry,
    capsys: pytest.CaptureFixture[str],
    way: str,
) -> None:
    publish(wiring.db, BASE, [new_entry("one")])
    override(wiring, PAGE, WAYS[way])
    for _ in range(2):  # nothing of it is kept
        answer = client.get("/series/ferries/one/")
        assert answer.status_code == 500
        assert "This page cannot be shown" in answer.text
        assert "Water" not in answer.text
        assert named(PAGE, capsys.readouterr().out)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(("channel", "way"), MAILED, ids=lambda one: getattr(one, "template", one))
def test_a_mail_that_spoils_the_notice_waits_and_says_why(
    wiring: Wiring,
    person: int,
    new_entry: NewEntry,
    channel: Channel,
    way: str,
) -> None:
    transport = open_transport(wiring.settings)
    kind = "transactional" if "letters" in channel.template else "digest"
    if kind == "digest":
        send_due(wiring, transport)
        for file in outbox(wiring):
            file.unlink()
        publish(wiring.db, BASE, [new_entry("one")])
        cut_due(wiring.db)
        freeze_owed(wiring.db)
    override(wiring, channel, WAYS[way])
    send_due(wiring, transport)
    assert outbox(wiring) == []
    with wiring.db.reading() as session:
        waiting = session.scalars(select(Delivery).where(Delivery.kind == kind)).one()
        assert waiting.state == "pending"
        assert named(channel, waiting.reply) or (channel is HTML_LETTER and "letters/confirm.html" in waiting.reply)


@pytest.mark.parametrize("way", WAYS)
def test_view_in_browser_that_spoils_the_notice_is_not_shown(
    wiring: Wiring,
    client: TestClient,
    person: int,
    new_entry: NewEntry,
    capsys: pytest.CaptureFixture[str],
    way: str,
) -> None:
    publish(wiring.db, BASE, [new_entry("one")])
    cut_due(wiring.db)
    freeze_owed(wiring.db)
    send_due(wiring, open_transport(wiring.settings))
    with wiring.db.reading() as session:
        delivery = session.scalars(select(Delivery.id).where(Delivery.kind == "digest")).one()
    path = f"/issues/{wiring.signer.make('issue', delivery)}"
    assert client.get(path).status_code == 200
    override(wiring, BROWSER, WAYS[way])
    del wiring.__dict__["renderer"]  # which knows the shipped template by now
    capsys.readouterr()
    answer = client.get(path)
    assert answer.status_code == 500
    assert "Water" not in answer.text
    assert named(BROWSER, capsys.readouterr().out)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("address", ["entries", "entries/1"])
def test_a_partners_record_that_spoils_the_notice_is_refused(
    wiring: Wiring,
    client: TestClient,
    new_entry: NewEntry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    way: str,
) -> None:
    publish(wiring.db, BASE, [new_entry("one")])
    with wiring.db.transaction() as session:
        owner = session.get_one(Publication, 1)
        token = keys.add(session, owner, "The Quay", []).token
    render_owed(wiring.db, BASE)
    sound = records.item_view

    def spoilt(content, notice, **more):  # type: ignore[no-untyped-def]
        view = sound(content, notice, **more)
        return replace(view, content_html=view.content_html.replace(notice.html, WAYS[way](notice.html)))

    monkeypatch.setattr(records, "item_view", spoilt)
    answer = client.get(f"/partners/v1/{address}", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code >= 500
    assert "Water" not in answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert named(Channel("partner record", "partners/records.py", ""), capsys.readouterr().out)


@pytest.mark.parametrize("where", ["body", "note", "series note"])
def test_an_entry_that_says_the_notice_itself_goes_nowhere(
    wiring: Wiring,
    new_entry: NewEntry,
    where: str,
) -> None:
    """Import refuses such a text; should one come by another way, the gate still counts two."""
    with wiring.db.transaction() as session:
        notice = notices.current(session, 1, "en")
        if where == "series note":
            session.get_one(Series, 1).note = notice.text
    said = {"body": {"body_html": f"<blockquote>{notice.html}</blockquote>"}, "note": {"notes": [notice.text]}}
    entry = new_entry("one", **said.get(where, {}))
    with pytest.raises(DisclaimerBreach, match=r"On one.*2 times"):
        publish(wiring.db, BASE, [entry])
