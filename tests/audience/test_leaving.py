"""Guarantee 6: nobody who left gets mail again, also after their record is erased and the same list comes once more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syndication import clock
from syndication.audience import leaving
from syndication.audience.handles import handle_token, is_former, subscriber_by_handle
from syndication.audience.importing import export_people, import_people
from syndication.errors import BadInput
from syndication.ledger.lookup import the_publication
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


def test_columns_bad_rows_and_defaults(town, tmp_path: Path) -> None:
    text = (
        "\ufeffE-Mail;Name;Series;Cadence;Time zone;Language;Consent\r\n"
        'anna@example.org;"Anna; B";ferries|fog;weekly;Asia/Tokyo;de;fair\r\nbo@example.org;;;;;;\r\nnobody;;;;;;\r\n'
        "cy@example.org;;nonesuch;;;;\r\n"
    )
    report = import_people(town.db, save(tmp_path, text))
    assert (report.added, report.without_consent, [f.line for f in report.failures]) == (2, 1, [4, 5])
    assert (town.person().name, town.person().timezone) == ("Anna; B", "Asia/Tokyo")
    assert {(s.subscriber_id, s.scope, s.cadence, s.cursor) for s in town.rows(Subscription)} == {
        (1, 1, "weekly", 10), (1, 3, "weekly", 10), (2, 0, "daily", 10),
    }  # fmt: skip
    with town.db.reading() as session:
        rows = list(export_people(session, the_publication(session)))
    assert import_people(town.db, save(tmp_path, json.dumps(rows), "again.json")).unchanged == 3
    lines = '{"address": "dee@example.org"}\n{broken\n'
    assert [f.line for f in import_people(town.db, save(tmp_path, lines, "p.jsonl")).failures] == [2]


def test_a_list_never_changes_what_a_person_chose(town, tmp_path: Path) -> None:
    town.join("bo@example.org", "all", cadence="weekly")
    town.join("anna@example.org", "ferries", "fog")
    town.leave(series_id=1)
    rows = (
        "address,series,cadence\nbo@example.org,ferries,at-once\nbo@example.org,all,daily\nanna@example.org,all,daily\n"
    )
    report = import_people(town.db, save(tmp_path, rows))
    assert (report.unchanged, report.changed) == (2, 1)
    assert {(s.scope, s.cadence) for s in town.rows(Subscription) if s.subscriber_id == 1} == {(0, "weekly")}
    assert {(s.scope, s.state, s.shields) for s in town.rows(Subscription) if s.subscriber_id == 2} == {
        (0, "active", False), (1, "ended", True), (3, "active", True),
    }  # fmt: skip


def test_batches_and_progress(town, tmp_path: Path) -> None:
    seen: list[int] = []
    path = save(tmp_path, "".join(f"p{i}@example.org\n" for i in range(603)))
    assert import_people(town.db, path, progress=seen.append).added == 603
    assert seen == [500, 603]


@pytest.mark.parametrize(
    "content", [b"name,age\nAnna,7\n", b"", b"\xff\xfe\x00", "address\nñ@b.de\n".encode("latin-1")]
)
def test_what_is_no_list_is_refused_with_a_remedy(town, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        import_people(town.db, save(tmp_path, content))
    assert caught.value.remedy
