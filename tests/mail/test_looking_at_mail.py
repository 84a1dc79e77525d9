"""View in browser, the trial digest, and the commands on deliveries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable

import pytest
from mail_world import ScriptedRelay, new_issue, parsed
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from syndication import clock
from syndication.content import EntryContent
from syndication.digests.report import report
from syndication.errors import BadInput, Conflict, NotFound
from syndication.feeds.disclaimers import count_html
from syndication.ledger import claims, notices
from syndication.ledger.claims import Outcome
from syndication.ledger.content import Entry, Revision
from syndication.ledger.mailings import Delivery, Issue, Lease
from syndication.mail import journal
from syndication.mail.deliveries import explain, listing
from syndication.mail.edition import parts_of
from syndication.mail.resolving import Chosen, Way, resolve, retry
from syndication.mail.sender import journals_dir, recover, send_due
from syndication.mail.smtp import Relay
from syndication.mail.transport import open_transport
from syndication.mail.trial import send_trial
from syndication.web.app import create_app
from syndication.wiring import Wiring


@pytest.fixture
def browse(wiring: Wiring) -> Callable[[str], object]:
    client = TestClient(create_app(wiring))  # type: ignore[arg-type]
    return lambda token: client.get(f"/issues/{token}")


def test_the_link_in_a_mail_opens_the_same_edition_without_personal_links(
    wiring: Wiring, relay: ScriptedRelay, browse
) -> None:  # type: ignore[no-untyped-def]
    new_issue(wiring.db, 1)
    send_due(wiring, Relay(relay.url, timeout=5))
    text, _ = parts_of(relay.received[0][1])
    answer = browse(text.split("/issues/")[1].split()[0])
    assert answer.status_code == 200
    assert "noindex" in answer.headers["x-robots-tag"]
    assert "Water &amp; wind" in answer.text
    assert "/unsubscribe/" not in answer.text
    with wiring.db.reading() as session:
        assert count_html(answer.text, notices.current(session, 1, "en").text) == 1


def test_view_in_browser_tells_what_was_withdrawn_or_corrected_since(wiring: Wiring, browse) -> None:  # type: ignore[no-untyped-def]
    new_issue(wiring.db, 1)
    token = wiring.signer.make("issue", 1)
    content = EntryContent(title="On ferries", body_html="<p>Put right.</p>").model_dump(mode="json")
    with wiring.db.transaction() as session:
        entry = session.scalars(select(Entry)).unique().one()
        fresh = Revision(
            entry_id=entry.id, number=2, title="On ferries", content=content, source_hash="y", created_at=clock.now()
        )
        session.add(fresh)
        session.flush()
        session.execute(update(Entry).values(revision_id=fresh.id))
    page = browse(token).text
    assert "Put right." in page
    assert "has been corrected" in page
    with wiring.db.transaction() as session:
        session.execute(update(Entry).values(state="withdrawn"))
    page = browse(token).text
    assert "has been withdrawn" in page
    assert "Put right." not in page
    assert "Water" not in page


@pytest.mark.parametrize("token", ["x", "WzFd.a.b"])
def test_a_link_that_is_not_ours_shows_nothing(wiring: Wiring, browse, token: str) -> None:  # type: ignore[no-untyped-def]
    assert browse(token).status_code == 404
    assert browse(wiring.signer.make("issue", 999)).status_code == 404
    assert browse(wiring.signer.make("confirm", 1)).status_code == 404


def test_a_trial_is_the_next_digest_and_leaves_no_trace(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 2)
    with wiring.db.transaction() as session:
        session.execute(update(Issue).values(upto_seq=0))
    trial = send_trial(wiring, Relay(relay.url, timeout=5), "me@bücher.example")
    assert (trial.state, trial.example, trial.entries) == ("sent", False, ("On ferries",))
    recipient, data = relay.received[0]
    assert recipient == "me@xn--bcher-kva.example"
    assert parsed(data)["Subject"] == "[Test] On ferries"
    with wiring.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 2
        assert session.scalar(select(func.count()).select_from(Issue)) == 1


def test_a_trial_with_nothing_owed_shows_the_newest_and_says_so(wiring: Wiring) -> None:
    new_issue(wiring.db, 1)
    trial = send_trial(wiring, open_transport(wiring.settings), "me@example.org")
    assert trial.example
    with pytest.raises(BadInput):
        send_trial(wiring, open_transport(wiring.settings), "nobody")
    with wiring.db.transaction() as session:
        session.execute(update(Entry).values(state="withdrawn"))
    with pytest.raises(NotFound):
        send_trial(wiring, open_transport(wiring.settings), "me@example.org")


def test_deliveries_are_listed_explained_and_tried_again(wiring: Wiring, relay: ScriptedRelay) -> None:
    issue = new_issue(wiring.db, 3)
    relay.script, relay.only = {"rcpt": b"554 5.5.0 not this one"}, {"p2@example.org"}
    send_due(wiring, Relay(relay.url, timeout=5))
    with wiring.db.reading() as session:
        assert [row["id"] for row in listing(session, Chosen(issue=issue, domain="Example.org"), "failed")] == [2]
        assert listing(session, Chosen(domain="ample.org")) == []
        record = explain(session, 2)
        assert "refused it for good, once" in record["sentence"]
        assert record["reply"] == "554 5.5.0 not this one"
        assert record["entries"] == ["On ferries (a, revision 1)"]
        assert record["message_id"] not in {parsed(data)["Message-ID"] for _, data in relay.received}
        assert session.get_one(Issue, issue).state == "done"
    with wiring.db.transaction() as session:
        assert retry(session, Chosen(issue=issue)) == 1
    relay.script = {}
    send_due(wiring, Relay(relay.url, timeout=5))
    with wiring.db.reading() as session:
        assert session.get_one(Delivery, 2).state == "sent"
        assert session.get_one(Issue, issue).state == "done"
    assert parsed(relay.received[-1][1])["Message-ID"] == record["message_id"]
    with pytest.raises(Conflict), wiring.db.transaction() as session:
        retry(session, Chosen(ids=(2,)))


def test_a_deferred_delivery_can_be_tried_before_its_time(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 3)
    relay.script, relay.only = {"rcpt": b"451 4.7.1 later"}, {"p2@example.org"}
    send_due(wiring, Relay(relay.url, timeout=5))
    relay.script = {}
    assert send_due(wiring, Relay(relay.url, timeout=5)) == 0
    with wiring.db.transaction() as session:
        assert retry(session, Chosen(domain="elsewhere.example"), "deferred") == 0
        assert retry(session, Chosen(domain="example.org")) == 0, "without a state, failed ones are meant"
        assert retry(session, Chosen(domain="example.org"), "deferred") == 1
    assert send_due(wiring, Relay(relay.url, timeout=5)) == 1
    assert relay.received[-1][0] == "p2@example.org"


@pytest.mark.parametrize("chosen", [Chosen(ids=(2,)), Chosen(issue=1), Chosen(domain="example.org")])
@pytest.mark.parametrize("way", ["sent", "again"])
def test_an_unknown_delivery_is_taken_as_sent_or_goes_again_with_its_message_id(
    wiring: Wiring, relay: ScriptedRelay, chosen: Chosen, way: Way
) -> None:
    issue = new_issue(wiring.db, 3)
    relay.script, relay.only = {"end": None}, {"p2@example.org"}
    send_due(wiring, Relay(relay.url, timeout=5))
    relay.script = {}
    with wiring.db.reading() as session:
        found = report(session, session.get_one(Issue, issue))
        assert (found.equation, found.holds) == ("3 eligible = 2 sent + 1 unknown", True)
        assert f"resolve --issue {issue}" in found.advice[0]
    with wiring.db.transaction() as session:
        assert resolve(session, chosen, way) == 1
        assert resolve(session, Chosen(issue=issue), way) == 0
    send_due(wiring, Relay(relay.url, timeout=5))
    with wiring.db.reading() as session:
        record = explain(session, 2)
        assert session.get_one(Issue, issue).state == "done"
        assert session.scalars(select(Lease)).all() == []
    assert record["state"] == "sent"
    ids = [parsed(data)["Message-ID"] for recipient, data in relay.received if recipient == "p2@example.org"]
    assert ids == [record["message_id"]] * (1 if way == "sent" else 2)
    assert ("taken as sent by hand" in record["sentence"]) == (way == "sent")


def test_what_was_resolved_is_not_moved_by_a_journal_that_turns_up_later(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 1)
    dead = journal.Journal(journals_dir(wiring))
    with wiring.db.transaction() as session:
        claim = claims.claim(
            session, host=dead.host, journal=dead.name, size=1, lease_seconds=60, kinds=("digest",)
        )  # fmt: skip
    assert claim is not None
    with wiring.db.transaction() as session:
        claims.fold(session, claim.lease_id, [Outcome(1, "unknown", "lost")], ())
        assert resolve(session, Chosen(ids=(1,)), "again") == 1
    os.close(dead._fd)
    recover(wiring)
    assert send_due(wiring, Relay(relay.url, timeout=5)) == 1
    recover(wiring)
    assert [recipient for recipient, _ in relay.received] == ["p1@example.org"]


@pytest.mark.parametrize("chosen", [Chosen(), Chosen(issue=99), Chosen(ids=(99,)), Chosen(ids=(1,))])
def test_what_cannot_be_chosen_is_said(wiring: Wiring, chosen: Chosen) -> None:
    new_issue(wiring.db, 1)
    for act in (lambda session: retry(session, chosen), lambda session: resolve(session, chosen, "sent")):
        with pytest.raises((BadInput, Conflict, NotFound)), wiring.db.transaction() as session:
            act(session)
    with pytest.raises(BadInput, match="resolve"), wiring.db.transaction() as session:
        retry(session, Chosen(issue=1), "unknown")


@pytest.mark.parametrize("state", ["failed", "unknown"])
def test_nothing_of_a_cancelled_issue_is_sent_again(wiring: Wiring, state: str) -> None:
    new_issue(wiring.db, 1)
    with wiring.db.transaction() as session:
        session.execute(update(Delivery).values(state=state))
        session.execute(update(Issue).values(state="cancelled"))
    for chosen in (Chosen(ids=(1,)), Chosen(issue=1)):
        with pytest.raises(Conflict, match="was cancelled"), wiring.db.transaction() as session:
            retry(session, chosen) if state == "failed" else resolve(session, chosen, "again")
    with wiring.db.transaction() as session:
        assert resolve(session, Chosen(domain="example.org"), "again") == 0
        assert retry(session, Chosen(domain="example.org")) == 0
    if state == "unknown":
        with wiring.db.transaction() as session:
            assert resolve(session, Chosen(issue=1), "sent") == 1


def test_every_state_of_a_delivery_has_its_sentence(wiring: Wiring) -> None:
    from syndication.ledger.states import DELIVERY_STATES

    new_issue(wiring.db, 1)
    for state in DELIVERY_STATES:
        with wiring.db.transaction() as session:
            session.execute(update(Delivery).values(state=state))
        with wiring.db.reading() as session:
            assert explain(session, 1)["sentence"].endswith(".")


def test_the_command_line_lists_and_explains(wiring: Wiring, syndicate: list[str]) -> None:
    new_issue(wiring.db, 2)
    environment = os.environ | {
        "SYNDICATION_DATA_DIR": str(wiring.settings.data_dir), "SYNDICATION_DATABASE_URL": wiring.db.url,
    }  # fmt: skip

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*syndicate, "deliveries", *arguments], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    rows = json.loads(run("list", "--state", "pending", "--json"))
    assert [row["address"] for row in rows] == ["p2@example.org", "p1@example.org"]
    assert json.loads(run("show", "1", "--json"))["sentence"].startswith("It waits")
    assert "0 due again" in run("retry", "--issue", "1")
    assert "0 taken as sent" in run("resolve", "--issue", "1", "--as", "sent")
    assert json.loads(run("resolve", "--domain", "example.org", "--as", "again", "--json")) == {
        "resolved": 0,
        "as": "again",
    }
