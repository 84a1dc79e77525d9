"""What a publisher got wrong (a template, the size limit, a key) holds back as little as it can, says what to do, and costs
nobody their mail once it is mended: through the sender, into a relay."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from mail_world import ScriptedRelay, new_issue
from sqlalchemy import select, update

from syndication import clock
from syndication.content import EntryContent
from syndication.digests.report import Report, report
from syndication.errors import BadInput
from syndication.ledger.content import Entry, Publication, Revision
from syndication.ledger.letters import post
from syndication.ledger.mailings import Delivery, Edition, EditionEntry, Issue
from syndication.mail import parcels
from syndication.mail.sender import send_due
from syndication.mail.smtp import Relay
from syndication.rendering import SHIPPED
from syndication.wiring import Wiring

BRIDGES, FERRIES = {3, 4}, {1, 2}  # the deliveries of each edition
MENDED = timedelta(minutes=6)


@pytest.fixture
def two_editions(wiring: Wiring) -> Wiring:
    """One issue: two people get the ferries, two the bridges."""
    new_issue(wiring.db, 4)
    now = clock.now()
    with wiring.db.transaction() as session:
        entry = Entry(
            publication_id=1, series_id=1, identity="b", slug="b", tag_uri="tag:b", state="published", mail_seq=2, seq=2,
            published_at=now, updated_at=now, created_at=now,
        )  # fmt: skip
        session.add(entry)
        session.flush()
        content = EntryContent(title="On bridges", standfirst="They stand.", body_html="<p>Stone.</p>")
        revision = Revision(
            entry_id=entry.id, number=1, title=content.title, content=content.model_dump(mode="json"), source_hash="y",
            created_at=now,
        )  # fmt: skip
        session.add(revision)
        session.flush()
        entry.revision_id = revision.id
        edition = Edition(issue_id=1, language="en", notice_id=1, key_hash="b", revisions=[revision.id], created_at=now)
        session.add(edition)
        session.flush()
        session.add(EditionEntry(edition_id=edition.id, entry_id=entry.id, revision_id=revision.id))
        session.execute(update(Delivery).where(Delivery.id.in_(BRIDGES)).values(edition_id=edition.id))
    return wiring


def changed(wiring: Wiring, **settings: object) -> Wiring:
    return Wiring(wiring.settings.model_copy(update=settings), wiring.base_url, "")


def with_template(wiring: Wiring, name: str, change: bytes) -> Wiring:
    """A publisher's own file for one template: the shipped one with `change` before it."""
    override = wiring.settings.data_dir / "templates"
    file = override / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(change + (SHIPPED / name).read_bytes())
    return changed(wiring, templates_dir=override)


def send(wiring: Wiring, relay: ScriptedRelay) -> None:
    while send_due(wiring, Relay(relay.url, timeout=5)):
        pass


def by_state(wiring: Wiring) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    with wiring.db.reading() as session:
        for id_, state in session.execute(select(Delivery.id, Delivery.state)):
            found.setdefault(state, set()).add(id_)
    return found


def told(wiring: Wiring) -> Report:
    with wiring.db.reading() as session:
        return report(session, session.get_one(Issue, 1))


def all_got_it_once(wiring: Wiring, relay: ScriptedRelay, people: int = 4) -> None:
    with clock.shifted(MENDED):
        send(wiring, relay)
    assert set(by_state(wiring)) == {"sent"}
    assert set(Counter(recipient for recipient, _ in relay.received).values()) == {1}
    assert len(relay.received) == people
    assert told(wiring).held == 0


BROKEN = {
    "a name that is not there": (
        b"{% if entry.title == 'On bridges' %}{{ nothing }}{% endif %}",
        "'nothing' is undefined",
    ),
    "a sum that fails": (b"{% if entry.title == 'On bridges' %}{{ 1 // 0 }}{% endif %}", "division or modulo by zero"),
    "a call of what is no function": (
        b"{% if entry.title == 'On bridges' %}{{ entry.title() }}{% endif %}",
        "not callable",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_template_that_breaks_for_one_entry_holds_back_its_edition(
    two_editions: Wiring, relay: ScriptedRelay, how: str
) -> None:
    change, words = BROKEN[how]
    broken = with_template(two_editions, "mail/entry.html", change)
    send(broken, relay)
    broken.db.close()
    assert by_state(two_editions) == {"sent": FERRIES, "pending": BRIDGES}
    (trouble,) = told(two_editions).troubles
    assert (trouble.state, trouble.count) == ("pending", 2)
    assert words in trouble.reply
    assert "templates/mail/entry.html" in trouble.reply
    assert trouble.reply.endswith("mend the template or remove the override.")
    assert any("2 held back" in sentence for sentence in told(two_editions).advice)
    all_got_it_once(two_editions, relay)


@pytest.mark.parametrize(
    "change", [b"{% if %}", b"\xff\xfe", b"{% include 'gone.html' %}"], ids=["syntax", "encoding", "file"]
)
def test_a_template_that_cannot_be_read_holds_back_what_it_is_for(
    two_editions: Wiring, relay: ScriptedRelay, change: bytes
) -> None:
    """The digest's does not stop letters, and the letters' not the digests."""
    wiring = two_editions
    with wiring.db.transaction() as session:
        post(
            session, publication_id=1, subscriber_id=None, address="new@reader.example", language="en", template="confirm",
            context={"confirm": [[0, "daily"]], "cadence": "daily"},
        )  # fmt: skip
    broken = with_template(wiring, "mail/letters/confirm.html", change)
    send(broken, relay)
    broken.db.close()
    assert by_state(wiring) == {"sent": FERRIES | BRIDGES, "pending": {5}}
    all_got_it_once(wiring, relay, people=5)


def test_the_digests_template_holds_back_digests_and_no_letter(two_editions: Wiring, relay: ScriptedRelay) -> None:
    wiring = two_editions
    with wiring.db.transaction() as session:
        post(
            session, publication_id=1, subscriber_id=None, address="new@reader.example", language="en", template="confirm",
            context={"confirm": [[0, "daily"]], "cadence": "daily"},
        )  # fmt: skip
    broken = with_template(wiring, "mail/digest.html", b"{% if %}")
    send(broken, relay)
    broken.db.close()
    assert by_state(wiring) == {"sent": {5}, "pending": FERRIES | BRIDGES}
    all_got_it_once(wiring, relay, people=5)


def test_a_frame_over_the_size_limit_waits_for_a_larger_one(two_editions: Wiring, relay: ScriptedRelay) -> None:
    small = changed(two_editions, mail_max_html_bytes=5_000)
    send(small, relay)
    small.db.close()
    assert relay.received == []
    (trouble,) = told(two_editions).troubles
    assert "more than 5000" in trouble.reply
    assert "SYNDICATION_MAIL_MAX_HTML_BYTES" in trouble.reply
    all_got_it_once(two_editions, relay)


def test_a_key_that_does_not_fit_lets_nothing_go_unsigned(
    two_editions: Wiring, relay: ScriptedRelay, tmp_path: Path
) -> None:
    (two_editions.settings.data_dir / "k.pem").write_text("no key", "ascii")
    wrong = changed(two_editions, dkim_keys="k=k.pem")
    send(wrong, relay)
    wrong.db.close()
    assert relay.received == []
    (trouble,) = told(two_editions).troubles
    assert (trouble.state, trouble.count) == ("pending", 4)
    assert "k.pem" in trouble.reply
    all_got_it_once(two_editions, relay)


def test_a_relay_that_takes_no_mail_so_large_fails_nobody(two_editions: Wiring, relay: ScriptedRelay) -> None:
    """It says how much it takes, so nothing is tried; what is small enough goes."""
    relay.offers = ("PIPELINING", "SIZE 10000")
    send(two_editions, relay)
    assert by_state(two_editions) == {"sent": BRIDGES, "pending": FERRIES}
    (trouble,) = told(two_editions).troubles
    assert "the relay takes 10,000 (SIZE); let it take more, or lower" in trouble.reply
    relay.offers = ()
    all_got_it_once(two_editions, relay)


@pytest.mark.parametrize("sender", ["nonsense", "Water, Wind & Sons <news@tideway.example>", "ü@tideway.example"])
def test_a_sender_that_is_none_lets_nothing_go(two_editions: Wiring, relay: ScriptedRelay, sender: str) -> None:
    with two_editions.db.transaction() as session:
        session.execute(update(Publication).values(mail_from=sender))
    send(two_editions, relay)
    (trouble,) = told(two_editions).troubles
    assert (trouble.state, trouble.count) == ("pending", 4)
    with two_editions.db.transaction() as session:
        session.execute(update(Publication).values(mail_from="Tideway <series@tideway.example>"))
    all_got_it_once(two_editions, relay)


@pytest.mark.parametrize("fault", [BadInput("ours;"), KeyError("ours")])
def test_what_is_wrong_with_our_letter_fails_nobody(
    two_editions: Wiring, relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    with two_editions.db.transaction() as session:
        post(
            session, publication_id=1, subscriber_id=None, address="new@reader.example", language="en", template="confirm",
            context={"confirm": [[0, "daily"]], "cadence": "daily"},
        )  # fmt: skip

    def broken(*_: object, **__: object) -> NoReturn:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(parcels, "compile_letter", broken)
        send(two_editions, relay)
    assert by_state(two_editions) == {"sent": FERRIES | BRIDGES, "pending": {5}}
    with two_editions.db.reading() as session:
        assert "ours" in session.get_one(Delivery, 5).reply
    all_got_it_once(two_editions, relay, people=5)
