"""Lists of people: who comes in and who does not, what is kept as evidence, and that a list goes out as it came in."""

from __future__ import annotations

import csv
import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from syndication import clock
from syndication.audience.exporting import export_people
from syndication.audience.forgetting import forget_unconfirmed
from syndication.audience.importing import BadRow, import_people
from syndication.audience.lists import COLUMNS
from syndication.errors import BadInput
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Consent, Subscriber, Subscription, Suppression


def save(tmp_path: Path, text: str | bytes, name: str = "people.csv") -> Path:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path / name


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
    seen: list[tuple[int, int]] = []
    path = save(tmp_path, "".join(f"p{i}@example.org\n" for i in range(603)))
    assert import_people(town.db, path, progress=lambda done, lines: seen.append((done, lines))).added == 603
    assert seen == [(500, 603), (603, 603)]


@pytest.mark.parametrize(
    "content", [b"name,age\nAnna,7\n", b"", b"\xff\xfe\x00", "address\nñ@b.de\n".encode("latin-1")]
)
def test_what_is_no_list_is_refused_with_a_remedy(town, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        import_people(town.db, save(tmp_path, content))
    assert caught.value.remedy


def test_evidence_is_kept_as_the_list_tells_it(town, tmp_path: Path) -> None:
    people = save(
        tmp_path,
        "address,consent,consent_at,consent_ip\n"
        "anna@example.org,ticked the box at the fair,2024-05-02T10:00+02:00,2001:DB8::1\n"
        "bo@example.org,,yesterday,\ncy@example.org,,,300.1.1.1\n",
    )
    report = import_people(town.db, people)
    assert report.added == 1
    assert report.failures == [
        BadRow(3, "'yesterday' is no time;", "write consent_at like 2026-11-30T08:00+01:00."),
        BadRow(4, "'300.1.1.1' is no IP address;", "mend consent_ip, or leave it out."),
    ]
    (act,) = town.rows(Consent)
    assert act.act == "imported"
    assert act.detail == {
        "list": "people.csv", "line": 2, "consent": "ticked the box at the fair", "consent_at": "2024-05-02T10:00:00+02:00",
        "consent_ip": "2001:db8::1", "scopes": [0], "cadence": "daily", "state": "active", "via": "list",
    }  # fmt: skip


def test_a_forgotten_quotation_mark_swallows_nobody_in_silence(town, tmp_path: Path) -> None:
    rows = ["address,name"] + [f"p{i}@example.org,Name" for i in range(60)]
    rows[10] = 'p9@example.org,"Name'
    report = import_people(town.db, save(tmp_path, "\n".join(rows)))
    assert report.added == 9
    assert [(f.line, "CSV" in f.reason) for f in report.failures] == [(11, True)]
    rows[50] = 'p49@example.org,Name"'
    (failure,) = import_people(town.db, save(tmp_path, "\n".join(rows))).failures
    assert (failure.line, failure.reason) == (
        11, "41 lines are one row here, since a quotation mark opens and does not close;"
    )  # fmt: skip
    rows[10], rows[50] = 'p9@example.org,"Name, and\nmore"', rows[49]
    assert import_people(town.db, save(tmp_path, "\n".join(rows))).failures == []
    assert len(town.rows(Subscriber)) == 59


def test_a_row_with_more_columns_than_the_list_is_not_guessed_at(town, tmp_path: Path) -> None:
    report = import_people(town.db, save(tmp_path, "address,name\na@example.org,Anna, of the quay\n"))
    assert [f.reason for f in report.failures] == ["the row has 3 columns and the list 2;"]


def test_one_person_in_several_rows_of_a_batch(town, tmp_path: Path) -> None:
    rows = "address,series\nanna@example.org,ferries\nANNA@example.org,fog\nanna@example.org,fog\n"
    report = import_people(town.db, save(tmp_path, rows))
    assert (report.added, report.changed, report.unchanged) == (1, 1, 1)
    assert {(s.scope, s.state, s.shields) for s in town.rows(Subscription)} == {
        (1, "active", True),
        (3, "active", True),
    }


def test_somebody_who_only_asked_begins_by_a_list_that_has_their_consent(town, tmp_path: Path) -> None:
    town.ask("anna@example.org", "ferries")
    report = import_people(town.db, save(tmp_path, "address,series\nanna@example.org,ferries fog\n"))
    assert report.changed == 1
    assert {(s.scope, s.state) for s in town.rows(Subscription)} == {(1, "active"), (3, "active")}


def test_who_is_active_is_not_forgotten_for_a_series_they_never_confirmed(town, tmp_path: Path) -> None:
    town.ask("anna@example.org", "ferries", "fog")
    import_people(town.db, save(tmp_path, "address,series\nanna@example.org,ferries\n"))
    assert {(s.scope, s.state) for s in town.rows(Subscription)} == {(1, "active"), (3, "asked")}
    with clock.shifted(timedelta(days=31)):
        assert forget_unconfirmed(town.db) == 0


def test_what_a_list_may_not_say(town, tmp_path: Path) -> None:
    rows = "address,state,suppressed\na@example.org,waiting,\nb@example.org,,tired\nc@example.org,asked,\n"
    report = import_people(town.db, save(tmp_path, rows))
    assert [f.line for f in report.failures] == [2, 3]
    assert (report.unconfirmed, town.rows(Subscriber)) == (1, [])


def crowd(town) -> None:  # type: ignore[no-untyped-def]
    """Every way to stand: active, asked, one series left out of all, left, complained."""
    town.join("anna@example.org", "ferries", "floods", cadence="weekly")
    town.ask("bo@example.org")
    town.join("cy@example.org")
    town.leave("cy@example.org", series_id=3)
    town.join("dee@example.org", "fog")
    town.leave("dee@example.org")
    town.join("eve@example.org")
    town.leave("eve@example.org", reason="complained")
    town.join("fay@example.org", "ferries", "fog")
    town.leave("fay@example.org", series_id=1)


def exported(town, tmp_path: Path) -> Path:  # type: ignore[no-untyped-def]
    with town.db.reading() as session:
        rows = list(export_people(session, the_publication(session)))
    path = tmp_path / "out.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_what_goes_out_comes_in_without_a_change(town, tmp_path: Path) -> None:
    crowd(town)
    before = [(s.subscriber_id, s.scope, s.state, s.cadence, s.shields) for s in town.rows(Subscription)]
    report = import_people(town.db, exported(town, tmp_path))
    assert (report.added, report.changed, report.failures) == (0, 0, [])
    assert [(s.subscriber_id, s.scope, s.state, s.cadence, s.shields) for s in town.rows(Subscription)] == before
    assert sorted(s.reason for s in town.rows(Suppression)) == ["complained", "left"]


def test_another_ledger_gets_those_who_follow_and_who_left_stays_out(town, tmp_path: Path) -> None:
    crowd(town)
    people = exported(town, tmp_path)
    with town.db.transaction() as session:
        for table in (Suppression, Subscription, Consent, Subscriber):
            for row in session.query(table):
                session.delete(row)
    report = import_people(town.db, people)
    assert (report.failures, report.suppressed, report.unconfirmed) == ([], 2, 1)
    names = {p.id: p.address[:3] for p in town.rows(Subscriber)}
    assert {(names[s.subscriber_id], s.scope, s.state, s.shields) for s in town.rows(Subscription)} == {
        ("ann", 1, "active", True), ("ann", 2, "active", True), ("cy@", 0, "active", False), ("cy@", 3, "ended", True),
        ("fay", 1, "ended", True), ("fay", 3, "active", True),
    }  # fmt: skip
    assert sorted(s.reason for s in town.rows(Suppression)) == ["complained", "left"]
    agreed = {c.detail["consent"] for c in town.rows(Consent)}
    assert agreed == {"confirmed from the mailbox"}
    assert import_people(town.db, people).added == 0


def test_a_list_does_not_end_what_somebody_follows_here(town, tmp_path: Path) -> None:
    town.join("anna@example.org", "ferries")
    rows = "address,series,state,suppressed\nanna@example.org,ferries,ended,left\nbo@example.org,ferries,ended,left\n"
    report = import_people(town.db, save(tmp_path, rows))
    assert (report.unchanged, report.suppressed) == (1, 1)
    assert [s.state for s in town.rows(Subscription)] == ["active"]


def test_the_command_line_tells_bad_rows_and_goes_on(town, tmp_path: Path, syndicate: list[str]) -> None:
    people = save(tmp_path, "address,series\nanna@example.org,all\nnobody,all\nbo@example.org,nonesuch\n")
    environment = {"SYNDICATION_DATA_DIR": str(tmp_path / "var"), "SYNDICATION_DATABASE_URL": town.db.url, "PATH": ""}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*syndicate, "subscribers", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = run("import", str(people), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["added"] == 1
    assert "people.csv, line 3: 'nobody' is no e-mail address" in done.stderr
    assert "people.csv, line 4: there is no series 'nonesuch'; choose among all" in done.stderr
    assert run("export").stdout.startswith(",".join(COLUMNS))
    assert json.loads(run("export", "--json").stdout)[0]["address"] == "anna@example.org"
    assert json.loads(run("show", "Anna@example.org", "--json").stdout)["consent"][0]["act"] == "imported"
    assert run("show", "nobody@example.org").returncode == 1
    assert "anna" in run("list", "--search", "anna").stdout
    assert run("end", "anna@example.org").returncode == 0
    assert json.loads(run("import", str(people), "--json").stdout)["suppressed"] == 1
    assert run("erase", "anna@example.org").returncode == 0
    assert json.loads(run("import", str(people), "--json").stdout)["suppressed"] == 1
