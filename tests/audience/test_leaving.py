"""Guarantee 6: nobody who left gets mail again, also after their record is erased and the same list comes once more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from syndication import clock
from syndication.audience import leaving
from syndication.audience.forgetting import anything_to_forget, forget_unconfirmed
from syndication.audience.handles import handle_token, is_former, subscriber_by_handle
from syndication.audience.importing import import_people
from syndication.ledger.tables import Consent, Delivery, Issue, Letter, Subscriber, Subscription, Suppression


def save(tmp_path: Path, text: str | bytes, name: str = "people.csv") -> Path:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path / name


def test_leaving_one_after_the_other_is_leaving(town) -> None:
    town.join("anna@example.org", "ferries", "floods")
    town.leave(series_id=1)
    assert not town.rows(Suppression)
    town.leave(series_id=2)
    with town.db.reading() as session:
        assert leaving.suppressed(session, 1, "ANNA@example.org")
    assert not town.leave(), "a second time is as good as once"


def test_leaving_a_series_that_all_took_in_again(town) -> None:
    town.join("anna@example.org", "ferries")
    town.change(cadences={0: "daily"})
    assert town.leave(series_id=1)
    assert {s.scope: (s.state, s.shields) for s in town.rows(Subscription)} == {
        0: ("active", False),
        1: ("ended", True),
    }


def test_pending_mail_stops_and_the_issue_is_done(town) -> None:
    town.join()
    with town.db.transaction() as session:
        issue = Issue(
            publication_id=1, cadence="daily", slot="x", zones=[], upto_seq=1, state="frozen", cut_at=clock.now()
        )
        session.add(issue)
        session.flush()
        common = {"publication_id": 1, "issue_id": issue.id, "due_at": clock.now(), "created_at": clock.now()}
        session.add(Delivery(subscriber_id=1, state="pending", **common))
        session.add(Delivery(subscriber_id=None, state="sent", **common))
    town.leave()
    assert sorted(d.state for d in town.rows(Delivery) if d.issue_id) == ["sent", "suppressed"]
    assert [i.state for i in town.rows(Issue)] == ["done"]


def test_erasure_keeps_the_block_and_the_old_link_and_nothing_of_the_person(town) -> None:
    town.join()
    handle = handle_token(town.person().handle)
    town.erase()
    assert not any(town.rows(table) for table in (Subscriber, Subscription, Consent, Letter))
    assert [s.reason for s in town.rows(Suppression)] == ["erased"]
    with town.db.reading() as session:
        assert subscriber_by_handle(session, handle) is None
        assert is_former(session, handle)
        assert not is_former(session, handle_token(bytes(16)))


def test_the_same_list_once_more_brings_nobody_back(town, tmp_path: Path) -> None:
    people = save(tmp_path, "address,series,consent\nanna@example.org,all,form\nbo@example.org,ferries floods,fair\n")
    first = import_people(town.db, people)
    assert (first.added, first.failures, first.without_consent) == (2, [], 0)
    town.leave("anna@example.org")
    town.erase("anna@example.org")
    town.leave("bo@example.org", series_id=1)
    again = import_people(town.db, people)
    assert (again.added, again.changed, again.unchanged, again.suppressed) == (0, 0, 1, 1)
    assert {(s.scope, s.state) for s in town.rows(Subscription)} == {(1, "ended"), (2, "active")}
    town.ask()
    town.confirm()
    assert not town.rows(Suppression), "they themselves may come back"


def test_an_old_mail_still_stops_the_mail_of_who_was_erased_and_came_back(town, scanner) -> None:
    town.join()
    old = town.handle()
    town.erase()
    town.join("bo@example.org")
    town.join()
    assert town.handle() != old
    assert scanner.post(f"/unsubscribe/{old}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert {s.subscriber_id: s.state for s in town.rows(Subscription)} == {2: "active", 3: "ended"}
    assert "anna@example.org" in scanner.get(f"/preferences/{old}").text
    town.erase()
    assert scanner.post(f"/unsubscribe/{old}", data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_who_never_confirmed_is_forgotten_and_nobody_else(town) -> None:
    town.ask("asked@example.org")
    town.ask("declined@example.org")
    town.decline()
    town.join("active@example.org", "ferries")
    town.join("left@example.org")
    town.leave("left@example.org")
    with clock.shifted(timedelta(days=29)):
        town.ask("left@example.org")
        town.ask("lately@example.org")
        town.ask("asked@example.org")  # once more: not forgotten for another month
        assert forget_unconfirmed(town.db) == 0
    with clock.shifted(timedelta(days=31)):
        assert forget_unconfirmed(town.db) == 1
        assert {p.address.partition("@")[0] for p in town.rows(Subscriber)} == {"active", "left", "lately", "asked"}
    with clock.shifted(timedelta(days=60)):
        with town.db.reading() as session:
            assert anything_to_forget(session)
        assert forget_unconfirmed(town.db) == 2
        with town.db.reading() as session:
            assert not anything_to_forget(session)
    names = {p.id: p.address.partition("@")[0] for p in town.rows(Subscriber)}
    assert set(names.values()) == {"active", "left"}
    letters = {letter.delivery_id for letter in town.rows(Letter)}
    kept = {d.id: names.get(d.subscriber_id) for d in town.rows(Delivery)}
    assert {kept[id_] for id_ in letters} == {"active", "left"}
    assert [s.reason for s in town.rows(Suppression)] == ["left"]
