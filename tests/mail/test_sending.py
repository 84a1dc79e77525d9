"""From due to sent: maildir and a relay that answers as scripted; the ladder, the gate, the journal, the claims."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from mail_world import ScriptedRelay, new_issue, parsed
from sqlalchemy import select, update

from syndication import clock, doctor
from syndication.content import EntryContent
from syndication.feeds.disclaimers import count_html, count_text
from syndication.ledger import claims, notices
from syndication.ledger.audience import Subscription
from syndication.ledger.claims import Outcome
from syndication.ledger.content import Entry, Publication, Revision, Series
from syndication.ledger.ladder import JITTER
from syndication.ledger.letters import post
from syndication.ledger.mailings import Delivery, Edition, EditionEntry, Issue
from syndication.mail import journal
from syndication.mail.edition import parts_of
from syndication.mail.maildir import Maildir
from syndication.mail.meaning import meaning_of
from syndication.mail.sender import journals_dir, recover, send_due
from syndication.mail.smtp import Relay
from syndication.mail.transport import open_transport
from syndication.rendering import SHIPPED
from syndication.wiring import Wiring


def states(wiring: Wiring) -> Counter[str]:
    with wiring.db.reading() as session:
        return Counter(session.scalars(select(Delivery.state)))


def delivery(wiring: Wiring, id_: int = 1) -> Delivery:
    with wiring.db.reading() as session:
        return session.get_one(Delivery, id_)


def through(wiring: Wiring, relay: ScriptedRelay) -> int:
    return send_due(wiring, Relay(relay.url, timeout=5))


def test_an_issue_goes_to_the_maildir_once_and_is_done(wiring: Wiring) -> None:
    issue = new_issue(wiring.db, 120)
    transport = open_transport(wiring.settings)
    assert send_due(wiring, transport) == 120
    assert send_due(wiring, transport) == 0
    outbox = wiring.settings.data_dir / "outbox"
    files = sorted((outbox / "new").iterdir())
    assert len(files) == 120
    assert not list((outbox / "tmp").iterdir())
    message = parsed(files[0].read_bytes())
    assert message["To"].addresses[0].display_name == "Zoë 李"
    assert states(wiring) == {"sent": 120}
    with wiring.db.reading() as session:
        assert session.get_one(Issue, issue).state == "done"


def test_letters_overtake_digests_and_carry_a_signed_link(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    with wiring.db.transaction() as session:
        post(
            session, publication_id=session.scalars(select(Publication.id)).one(), subscriber_id=1, address="new@example.org",
            language="en", template="confirm", context={"confirm": [[0, "daily"]], "cadence": "daily"},
        )  # fmt: skip
    through(wiring, relay)
    recipient, data = relay.received[0]
    message = parsed(data)
    assert recipient == "new@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    text, html = parts_of(data)
    with wiring.db.reading() as session:
        notice = notices.current(session, 1, "en").text
    assert (count_text(text, notice), count_html(html, notice)) == (1, 1)
    token = text.split("/confirm/")[1].split()[0]
    assert wiring.signer.read("confirm", token) == 4, "it names the letter"


@pytest.mark.parametrize(
    ("step", "line", "state", "reply"),
    [
        ("rcpt", b"550 5.1.1 nobody here", "failed", "550 5.1.1 nobody here"),
        ("rcpt", b"451 4.7.1 later", "deferred", "451 4.7.1 later"),
        ("data", b"452 4.3.1 full", "deferred", "452 4.3.1 full"),
        ("data", b"554 5.6.0 no", "failed", "554 5.6.0 no"),
        ("data", b"554 5.7.1 no", "deferred", "554 5.7.1 no"),
        ("end", b"450 4.2.1 busy", "deferred", "450 4.2.1 busy"),
        ("end", b"552 5.3.4 too big", "deferred", "552 5.3.4 too big"),
        ("end", b"554 5.6.0 no", "failed", "554 5.6.0 no"),
        ("end", b"421 4.3.2 closing", "deferred", "421 4.3.2 closing"),
        ("rcpt", None, "deferred", "before the mail was handed over"),
        ("data", None, "deferred", "before the mail was handed over"),
        ("end", None, "unknown", "before the relay answered"),
    ],
)
def test_each_answer_at_each_step_moves_that_delivery_alone(
    wiring: Wiring, relay: ScriptedRelay, step: str, line: bytes | None, state: str, reply: str
) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {step: line}, {"p2@example.org"}
    through(wiring, relay)
    assert states(wiring) == {"sent": 2, state: 1}
    assert delivery(wiring, 2).state == state
    assert reply in delivery(wiring, 2).reply
    provider_asks_for_less = meaning_of(reply).destination in {"slow", "stop"}
    assert delivery(wiring, 2).attempts == (0 if provider_asks_for_less else 1)


@pytest.mark.parametrize(
    ("step", "line"), [("connect", b"554 no"), ("mail", b"550 no"), ("mail", b"421 away"), ("mail", b"530 log in")]
)
def test_what_concerns_us_fails_nobody_and_is_tried_again(
    wiring: Wiring, relay: ScriptedRelay, step: str, line: bytes
) -> None:
    new_issue(wiring.db, 3)
    relay.script = {step: line}
    through(wiring, relay)
    assert states(wiring) == {"pending": 3}
    assert delivery(wiring).attempts == 0
    relay.script = {}
    with clock.shifted(timedelta(minutes=1)):
        through(wiring, relay)
    assert states(wiring) == {"sent": 3}


def test_a_dead_relay_leaves_everything_pending(wiring: Wiring) -> None:
    new_issue(wiring.db, 2)
    send_due(wiring, Relay("smtp://127.0.0.1:1", timeout=2))
    assert states(wiring) == {"pending": 2}


def test_the_ladder_waits_and_then_gives_up_with_the_last_answer(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 1)
    relay.script = {"rcpt": b"451 later"}
    ladder = wiring.settings.retry_ladder
    ahead = 0
    for tried, wait in enumerate(ladder, start=1):
        with clock.shifted(timedelta(seconds=ahead)):
            assert through(wiring, relay) == 1
            assert through(wiring, relay) == 0, "not before its time"
        assert (delivery(wiring).state, delivery(wiring).attempts) == ("deferred", tried)
        ahead += round(wait * (1 + JITTER)) + 1
    with clock.shifted(timedelta(seconds=ahead)):
        through(wiring, relay)
    assert delivery(wiring).state == "failed"
    assert delivery(wiring).reply == f"given up after {len(ladder) + 1} tries; the last answer: 451 later"


def test_who_left_after_the_freeze_gets_nothing(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 2)
    with wiring.db.transaction() as session:
        session.execute(update(Subscription).where(Subscription.subscriber_id == 1).values(state="ended"))
    through(wiring, relay)
    assert [recipient for recipient, _ in relay.received] == ["p2@example.org"]
    assert delivery(wiring).state == "suppressed"


def test_paused_and_cancelled_issues_are_not_claimed(wiring: Wiring, relay: ScriptedRelay) -> None:
    issue = new_issue(wiring.db, 2)
    for values in ({"paused": True}, {"paused": False, "state": "cancelled"}):
        with wiring.db.transaction() as session:
            session.execute(update(Issue).where(Issue.id == issue).values(**values))
        assert through(wiring, relay) == 0
    assert relay.received == []


def test_an_entry_withdrawn_after_the_freeze_goes_to_nobody(wiring: Wiring, relay: ScriptedRelay) -> None:
    issue = new_issue(wiring.db, 2)
    with wiring.db.transaction() as session:
        session.execute(update(Entry).values(state="withdrawn"))
    through(wiring, relay)
    assert relay.received == []
    assert states(wiring) == {"cancelled": 2}
    with wiring.db.reading() as session:
        assert session.get_one(Issue, issue).state == "done"


def test_an_entry_corrected_after_the_freeze_goes_with_its_new_text(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 2)
    content = EntryContent(title="On ferries", body_html="<p>Put right.</p>").model_dump(mode="json")
    with wiring.db.transaction() as session:
        fresh = Revision(entry_id=1, number=2, title="x", content=content, source_hash="y", created_at=clock.now())
        session.add(fresh)
        session.flush()
        session.execute(update(Entry).values(revision_id=fresh.id))
    through(wiring, relay)
    assert states(wiring) == {"sent": 2}
    for _, data in relay.received:
        text, html = parts_of(data)
        assert "Put right." in text
        assert "Water" not in html


def test_nothing_goes_to_the_wire_after_the_leases_deadline(
    wiring: Wiring, relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_issue(wiring.db, 5)
    ahead = 0.0
    real = clock.monotonic
    monkeypatch.setattr(clock, "monotonic", lambda: real() + ahead)

    def stall(count: int) -> None:
        nonlocal ahead
        ahead = 10_000.0 if count == 2 else ahead

    relay.on_message = stall
    through(wiring, relay)
    assert states(wiring) == {"sent": 2, "pending": 3}


def test_a_fold_that_failed_is_made_good_from_our_own_journal(
    wiring: Wiring, relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_issue(wiring.db, 4)

    def away(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(claims, "fold", away)
        with pytest.raises(ConnectionError):
            through(wiring, relay)
    assert states(wiring) == {"sending": 4}
    assert through(wiring, relay) == 0
    assert states(wiring) == {"sent": 4}
    assert len(relay.received) == 4


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        ("", "stands 0 times instead of once in the text mail"),
        ("{{ 1 / 0 }}", "templates/mail/digest.txt: the template cannot be rendered: division by zero"),
    ],
)
def test_an_edition_that_fails_its_gate_holds_back_itself_alone(
    wiring: Wiring, relay: ScriptedRelay, instead: str, told: str
) -> None:
    new_issue(wiring.db, 2)
    override = wiring.settings.data_dir / "templates"
    (override / "mail").mkdir(parents=True)
    broken = (SHIPPED / "mail" / "digest.txt").read_text("utf-8").replace("{{ notice_text }}", instead)
    (override / "mail" / "digest.txt").write_text(broken, "utf-8")
    changed = Wiring(wiring.settings.model_copy(update={"templates_dir": override}), wiring.base_url, "")
    send_due(changed, Relay(relay.url, timeout=5))
    changed.db.close()
    assert relay.received == []
    assert states(wiring) == {"pending": 2}
    assert told in delivery(wiring).reply
    with wiring.db.reading() as session:
        (finding,) = doctor.held_mail(session)
    assert told in finding.what
    with clock.shifted(timedelta(minutes=6)):
        through(wiring, relay)
    assert states(wiring) == {"sent": 2}


def test_a_fault_of_ours_in_one_edition_holds_back_nobody_else(
    wiring: Wiring, relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_issue(wiring.db, 2)
    with wiring.db.transaction() as session:
        post(
            session, publication_id=1, subscriber_id=1, address="p1@example.org", language="en", template="confirm",
            context={"confirm": [[0, "daily"]], "asked_at": clock.now().isoformat(), "series": [], "cadence": "daily"},
        )  # fmt: skip

    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    with monkeypatch.context() as broken:
        broken.setattr("syndication.mail.loading.compile_edition", fault)
        through(wiring, relay)
    assert states(wiring) == {"pending": 2, "sent": 1}
    assert "RuntimeError: out of order" in delivery(wiring).reply
    with clock.shifted(timedelta(minutes=6)):
        through(wiring, relay)
    assert states(wiring) == {"sent": 3}


def test_who_left_one_series_after_the_freeze_gets_the_rest_without_it(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 2)
    now = clock.now()
    with wiring.db.transaction() as session:
        floods = Series(publication_id=1, slug="floods", title="Floods", created_at=now)
        session.add(floods)
        session.flush()
        entry = Entry(
            publication_id=1, series_id=floods.id, identity="b", slug="b", tag_uri="tag:b", state="published", mail_seq=2,
            seq=2, published_at=now, updated_at=now + timedelta(seconds=1), created_at=now,
        )  # fmt: skip
        session.add(entry)
        session.flush()
        content = EntryContent(title="On floods", body_html="<p>Rain.</p>").model_dump(mode="json")
        text = Revision(entry_id=entry.id, number=1, title="x", content=content, source_hash="y", created_at=now)
        session.add(text)
        session.flush()
        entry.revision_id = text.id
        session.add(EditionEntry(edition_id=1, entry_id=entry.id, revision_id=text.id))
        session.execute(update(Edition).values(revisions=[1, text.id]))
        session.add(
            Subscription(
                subscriber_id=1, timezone="Europe/Lisbon", series_id=floods.id, scope=floods.id, cadence="daily",
                state="ended", cursor=2, shields=True, asked_at=now, active_at=now, ended_at=now,
            )
        )  # fmt: skip
    through(wiring, relay)
    assert states(wiring) == {"sent": 2}
    texts = {recipient: parts_of(data)[0] for recipient, data in relay.received}
    assert "Rain." not in texts["p1@example.org"]
    assert "Water" in texts["p1@example.org"]
    assert "Rain." in texts["p2@example.org"]


def test_what_comes_back_to_a_cancelled_issue_is_cancelled(wiring: Wiring) -> None:
    issue = new_issue(wiring.db, 3)
    claim = _lease(wiring, "j")
    with wiring.db.transaction() as session:
        session.execute(update(Issue).where(Issue.id == issue).values(state="cancelled"))
    with wiring.db.transaction() as session:
        outcomes = [Outcome(1, "pending"), Outcome(2, "deferred", "450 later"), Outcome(3, "sent", "250 ok")]
        claims.fold(session, claim.lease_id, outcomes, (60,))
    assert states(wiring) == {"cancelled": 2, "sent": 1}


def _lease(wiring: Wiring, name: str, size: int = 5) -> claims.Claim:
    with wiring.db.transaction() as session:
        claim = claims.claim(
            session,
            host=socket.gethostname(),
            journal=name,
            size=size,
            lease_seconds=60,
            kinds=("digest",),
        )
    assert claim is not None
    return claim


def test_a_dead_workers_journal_tells_what_became_of_its_slice(wiring: Wiring) -> None:
    new_issue(wiring.db, 5)
    directory = journals_dir(wiring)
    dead = journal.Journal(directory)
    claim = _lease(wiring, dead.name)
    dead.begun(claim.lease_id, [1, 2, 3])
    dead.went(claim.lease_id, [1, 2])
    dead.answered([(claim.lease_id, Outcome(1, "sent", "250 ok"))])
    assert recover(wiring) == 0, "its worker lives"
    os.close(dead._fd)
    with dead.path.open("ab") as file:
        file.write(b'{"l":1,"w":[3]')  # torn: it was not written whole, so nothing went out
    assert recover(wiring) == 5
    assert states(wiring) == {"sent": 1, "unknown": 1, "pending": 3}
    assert not dead.path.exists()


def test_with_the_maildir_nothing_is_unknown(wiring: Wiring) -> None:
    new_issue(wiring.db, 3)
    dead = journal.Journal(journals_dir(wiring))
    claim = _lease(wiring, dead.name)
    dead.begun(claim.lease_id, [1, 2])
    dead.went(claim.lease_id, [1, 2])
    outbox = Maildir(wiring.settings.data_dir / "outbox")
    (outbox.path / "new").mkdir(parents=True)
    (outbox.path / "new" / "1.delivery").write_bytes(b"x")
    os.close(dead._fd)
    recover(wiring, outbox)
    assert states(wiring) == {"sent": 1, "pending": 2}


def test_a_lost_slice_is_unknown_after_the_grace_and_a_late_journal_still_tells(wiring: Wiring) -> None:
    new_issue(wiring.db, 2)
    dead = journal.Journal(journals_dir(wiring))
    claim = _lease(wiring, dead.name)
    dead.begun(claim.lease_id, [1, 2])
    dead.went(claim.lease_id, [1])
    dead.answered([(claim.lease_id, Outcome(1, "sent", "250 ok"))])
    with clock.shifted(timedelta(seconds=100)):
        recover(wiring)
        assert states(wiring) == {"sending": 2}, "expiry alone frees nothing"
    with clock.shifted(timedelta(seconds=60 + wiring.settings.journal_grace_seconds + 1)):
        recover(wiring)
        assert states(wiring) == {"unknown": 2}
        os.close(dead._fd)
        recover(wiring)
    assert states(wiring) == {"sent": 1, "pending": 1}


CLAIMER = """
import sys
from syndication.content import EntryContent
from syndication.feeds.disclaimers import count_html, count_text
from syndication.ledger import claims, notices
from syndication.ledger.db import Database
db = Database(sys.argv[1])
while True:
    with db.transaction() as session:
        claim = claims.claim(session, host="h", journal=sys.argv[2], size=7, lease_seconds=60, kinds=("digest",))
    if claim is None:
        break
    print(*(row.id for row in claim.rows), sep="\\n", flush=True)
"""


def test_four_processes_claim_nothing_twice_and_everything_once(wiring: Wiring) -> None:
    new_issue(wiring.db, 600)
    command = [sys.executable, "-c", CLAIMER, wiring.db.url]
    workers = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(4)]
    claimed = [int(line) for worker in workers for line in worker.communicate()[0].split()]
    assert sorted(claimed) == list(range(1, 601))


@pytest.mark.parametrize(
    "line", [b"250 2.0.0 \x00queued", b"550 5.1.1 \x1b[2Jno\x00body", b"450 \xff\xfe\xc2\x85 later"]
)
def test_no_words_of_a_relay_stand_in_the_way_of_the_ledger(wiring: Wiring, relay: ScriptedRelay, line: bytes) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {"end": line}, {"p2@example.org"}
    send_due(wiring, Relay(relay.url, timeout=5))
    with wiring.db.reading() as session:
        rows = session.execute(select(Delivery.state, Delivery.reply).order_by(Delivery.id)).all()
    assert [state for state, _ in rows] == ["sent", {b"2": "sent", b"5": "failed", b"4": "deferred"}[line[:1]], "sent"]
    assert rows[1][1].isprintable()
