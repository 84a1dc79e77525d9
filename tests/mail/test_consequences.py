"""What follows from replies: for the person, for the round, for the count of tries; and how it is told."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from mail_world import ScriptedRelay, new_issue
from sqlalchemy import select

from syndication import clock
from syndication.audience import leaving
from syndication.audience.wishes import Evidence
from syndication.doctor import examine
from syndication.errors import Conflict, NotFound
from syndication.ledger.audience import Subscriber, Suppression
from syndication.ledger.claims import Outcome
from syndication.ledger.mailings import Delivery, Edition, Issue
from syndication.mail.consequences import weighed
from syndication.mail.deliveries import explain
from syndication.mail.restrictions import listing
from syndication.mail.sender import send_due
from syndication.mail.smtp import Relay
from syndication.wiring import Wiring

NOBODY = b"550 5.1.1 <p2@example.org>: no such user"


def through(wiring: Wiring, relay: ScriptedRelay) -> int:
    return send_due(wiring, Relay(relay.url, timeout=5))


def delivery(wiring: Wiring, id_: int) -> Delivery:
    with wiring.db.reading() as session:
        return session.get_one(Delivery, id_)


def another_issue_for(wiring: Wiring, person: int) -> int:
    """One more delivery of the same edition to one person."""
    with wiring.db.transaction() as session:
        first = session.scalars(select(Delivery).where(Delivery.subscriber_id == person)).first()
        assert first is not None
        issue = session.get_one(Issue, first.issue_id)
        new = Delivery(
            publication_id=1, issue_id=issue.id, edition_id=first.edition_id, subscriber_id=None, due_at=clock.now(),
            created_at=clock.now(),
        )  # fmt: skip
        first.subscriber_id = None
        session.flush()
        new.subscriber_id = person
        session.add(new)
        issue.eligible += 1
        session.flush()
        return new.id


def test_an_address_called_invalid_gets_no_mail_until_it_is_lifted(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {"rcpt": NOBODY}, {"p2@example.org"}
    through(wiring, relay)
    assert delivery(wiring, 2).state == "failed"
    with wiring.db.reading() as session:
        kept = session.scalars(select(Suppression)).one()
        assert (kept.reason, kept.reply) == ("bounced", NOBODY.decode())
    relay.script = {}
    assert delivery(wiring, another_issue_for(wiring, 1)).state == "pending", "somebody else's"
    later = another_issue_for(wiring, 2)
    through(wiring, relay)
    assert delivery(wiring, later).state == "suppressed"
    with wiring.db.transaction() as session:
        assert leaving.allow_again(session, 1, "P2@example.org") == "bounced"
    last = another_issue_for(wiring, 2)
    through(wiring, relay)
    assert delivery(wiring, last).state == "sent"


def test_what_waits_for_an_invalid_address_is_suppressed_at_once(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    now = clock.now()
    with wiring.db.transaction() as session:
        other = Issue(
            publication_id=1, cadence="daily", slot="t", zones=[], upto_seq=1, state="frozen", eligible=1, cut_at=now,
            frozen_at=now,
        )  # fmt: skip
        session.add(other)
        session.flush()
        edition = Edition(issue_id=other.id, language="en", notice_id=1, key_hash="k", revisions=[1], created_at=now)
        session.add(edition)
        session.flush()
        waiting = Delivery(
            publication_id=1, issue_id=other.id, edition_id=edition.id, subscriber_id=2, state="deferred",
            due_at=now + timedelta(days=1), created_at=now,
        )  # fmt: skip
        session.add(waiting)
        session.flush()
    relay.script, relay.only = {"rcpt": NOBODY}, {"p2@example.org"}
    through(wiring, relay)
    assert delivery(wiring, waiting.id).state == "suppressed"
    with wiring.db.reading() as session:
        assert session.get_one(Issue, other.id).state == "done"


def test_who_left_is_not_lifted_by_the_publisher(wiring: Wiring) -> None:
    new_issue(wiring.db, 1)
    with wiring.db.transaction() as session:
        leaving.leave(session, session.get_one(Subscriber, 1), Evidence(via="one-click"))
    with wiring.db.transaction() as session, pytest.raises(Conflict, match="decided so"):
        leaving.allow_again(session, 1, "p1@example.org")
    with wiring.db.transaction() as session, pytest.raises(NotFound, match="not suppressed"):
        leaving.allow_again(session, 1, "p9@example.org")


def test_the_words_of_a_suppression_go_with_the_person(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 2)
    relay.script, relay.only = {"rcpt": NOBODY}, {"p2@example.org"}
    through(wiring, relay)
    with wiring.db.transaction() as session:
        leaving.erase(session, session.get_one(Subscriber, 2))
    with wiring.db.reading() as session:
        assert session.scalars(select(Suppression.reply)).all() == [""]


@pytest.mark.parametrize("line", [b"550 5.7.1 blocked by policy, no such user", b"554 5.6.0 spam", b"552 5.2.2 full"])
def test_nothing_else_suppresses_anybody(wiring: Wiring, relay: ScriptedRelay, line: bytes) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {"rcpt": line}, {"p2@example.org"}
    through(wiring, relay)
    with wiring.db.reading() as session:
        assert session.scalars(select(Suppression)).all() == []


def test_a_policy_refusal_is_tried_once_more_before_it_fails(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {"rcpt": b"550 5.7.1 rejected by policy"}, {"p2@example.org"}
    through(wiring, relay)
    assert (delivery(wiring, 2).state, delivery(wiring, 2).attempts) == ("deferred", 1)
    with clock.shifted(timedelta(minutes=10)):
        through(wiring, relay)
    assert (delivery(wiring, 2).state, delivery(wiring, 2).attempts) == ("failed", 2)


def test_a_policy_refusal_after_a_greylist_is_tried_once_more_too(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    relay.only = {"p2@example.org"}
    found = []
    for hours, line in enumerate(
        (b"450 4.2.0 greylisted", b"550 5.7.1 rejected by policy", b"550 5.7.1 rejected by policy")
    ):
        relay.script = {"rcpt": line}
        with clock.shifted(timedelta(hours=hours)):
            through(wiring, relay)
        found.append((delivery(wiring, 2).state, delivery(wiring, 2).attempts))
    assert found == [("deferred", 1), ("deferred", 2), ("failed", 3)]


@pytest.mark.parametrize("step", ["rcpt", "data", "end"])
@pytest.mark.parametrize("line", [b"550 5.1.8 sender address rejected", b"553 sender not allowed to send as news@"])
def test_a_relay_that_refuses_our_sender_fails_nobody(
    wiring: Wiring, relay: ScriptedRelay, step: str, line: bytes
) -> None:
    new_issue(wiring.db, 6)
    relay.script = {step: line}
    through(wiring, relay)
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) <= {"pending", "deferred"}
        assert len(session.scalars(select(Delivery).where(Delivery.state == "pending")).all()) >= 3
    found = [f for f in examine(wiring) if f.about == "relay"]
    assert [f.level for f in found] == ["wrong"]
    assert line.decode() in found[0].what
    assert "From address" in found[0].remedy
    relay.script = {}
    with clock.shifted(timedelta(minutes=10)):
        through(wiring, relay)
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) == {"sent"}
    assert [f for f in examine(wiring) if f.about == "relay"] == []


@pytest.mark.parametrize("people", [1, 2])
def test_nor_does_it_where_too_few_wait_to_tell(wiring: Wiring, relay: ScriptedRelay, people: int) -> None:
    """For a week: the ladder is long over. The operator is told from the first try on, until it is mended."""
    new_issue(wiring.db, people)
    relay.script = {"rcpt": b"553 5.7.1 <series@tideway.example>: Sender address rejected: not owned by user news"}
    for hours in range(0, 168, 6):
        with clock.shifted(timedelta(hours=hours)):
            through(wiring, relay)
        assert [f.level for f in examine(wiring) if f.about == "relay"] == ["wrong"]
    with wiring.db.reading() as session:
        assert set(session.execute(select(Delivery.state, Delivery.attempts).distinct())) == {("pending", 1)}
    relay.script = {}
    with clock.shifted(timedelta(hours=168)):
        through(wiring, relay)
    assert {delivery(wiring, id_ + 1).state for id_ in range(people)} == {"sent"}
    assert [f for f in examine(wiring) if f.about == "relay"] == []


def test_who_is_refused_where_others_are_not_has_had_a_try(wiring: Wiring, relay: ScriptedRelay) -> None:
    """Also in the first round that goes through after the relay refused everybody."""
    new_issue(wiring.db, 3)
    relay.script = {"rcpt": b"550 5.1.8 sender address rejected"}
    through(wiring, relay)
    relay.only = {"p3@example.org"}
    with clock.shifted(timedelta(minutes=1)):
        through(wiring, relay)
    assert [delivery(wiring, id_).state for id_ in (1, 2, 3)] == ["sent", "sent", "deferred"]
    assert [f for f in examine(wiring) if f.about == "relay"] == []


def test_one_server_that_dislikes_our_sender_is_given_up_where_others_take_our_mail(
    wiring: Wiring, relay: ScriptedRelay
) -> None:
    new_issue(wiring.db, 21)
    relay.script, relay.only = {"rcpt": b"550 5.1.8 sender address rejected"}, {"p1@example.org"}
    with wiring.db.transaction() as session:
        for one in session.scalars(select(Delivery).where(Delivery.id > 1)):
            one.due_at = clock.now() + timedelta(days=one.id)
    for hours in range(0, 24 * 22, 12):
        with clock.shifted(timedelta(hours=hours)):
            through(wiring, relay)
    with wiring.db.reading() as session:
        assert Counter(session.scalars(select(Delivery.state))) == {"failed": 1, "sent": 20}


def test_mail_that_is_too_large_for_the_relay_may_go_when_it_takes_more(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    relay.script = {"end": b"552 5.3.4 message size exceeds fixed limit"}
    through(wiring, relay)
    assert {delivery(wiring, id_).state for id_ in (1, 2, 3)} == {"deferred"}
    with wiring.db.reading() as session:
        assert "SYNDICATION_MAIL_MAX_HTML_BYTES" in explain(session, 1)["advice"]
    relay.script = {}
    with clock.shifted(timedelta(minutes=10)):
        through(wiring, relay)
    assert {delivery(wiring, id_).state for id_ in (1, 2, 3)} == {"sent"}


def test_one_recipient_whose_server_dislikes_our_sender_stops_nobody_else(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 12)
    relay.script, relay.only = {"rcpt": b"550 5.1.8 sender address rejected"}, {"p2@example.org"}
    through(wiring, relay)
    with wiring.db.reading() as session:
        states = list(session.scalars(select(Delivery.state).order_by(Delivery.id)))
    assert states == ["sent", "deferred", *["sent"] * 10]


def test_explain_says_what_a_reply_means(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {"rcpt": b"450 4.2.0 greylisted, try again in 7 minutes"}, {"p2@example.org"}
    through(wiring, relay)
    with wiring.db.reading() as session:
        told = explain(session, 2)
    assert told["meaning"] == "greylisted"
    assert "420 s" in told["for_person"]
    assert told["reply"] == "450 4.2.0 greylisted, try again in 7 minutes"
    assert timedelta(minutes=6) < told["due"] - clock.now() < timedelta(minutes=9)


def test_a_try_that_the_provider_refused_for_our_speed_does_not_count() -> None:
    assert weighed(Outcome(1, "deferred", "421 4.7.28 rate")).free
    assert not weighed(Outcome(1, "deferred", "452 4.2.2 full")).free
    assert not weighed(Outcome(1, "sent", "250 ok")).free


def test_a_domain_that_knows_nobody_any_more_is_doubted(wiring: Wiring, relay: ScriptedRelay) -> None:
    """Its directory is away, say: nobody is suppressed for it, and all get their mail when it is back."""
    new_issue(wiring.db, 25)
    relay.script = {"rcpt": b"550 5.1.1 no such user"}
    through(wiring, relay)
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) == {"deferred"}
        assert session.scalars(select(Suppression)).all() == []
    relay.script = {}
    with clock.shifted(timedelta(hours=1)):
        through(wiring, relay)
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) == {"sent"}


def test_who_is_unknown_beside_many_who_are_not_is_believed(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 60)
    gone = {f"p{n}@example.org" for n in range(1, 24)}
    relay.script, relay.only = {"rcpt": b"550 5.1.1 no such user"}, gone
    through(wiring, relay)
    with wiring.db.reading() as session:
        assert len(session.scalars(select(Suppression)).all()) == len(gone)


@pytest.mark.parametrize(
    "line", [b"550 5.4.5 Daily user sending limit exceeded", b"554 5.7.1 <a@b>: Relay access denied"]
)
def test_what_is_between_the_relay_and_us_fails_nobody_and_blocks_no_destination(
    wiring: Wiring, relay: ScriptedRelay, line: bytes
) -> None:
    new_issue(wiring.db, 6)
    relay.script = {"rcpt": line}
    through(wiring, relay)
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) <= {"pending", "deferred"}
        assert listing(session) == []
    assert [f.level for f in examine(wiring) if f.about == "relay"] == ["wrong"]
    relay.script = {}
    with clock.shifted(timedelta(hours=1)):
        through(wiring, relay)
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.state))) == {"sent"}
