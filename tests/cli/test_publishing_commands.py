"""Import, schedule, unschedule, discard from outside: local time, exit status, JSON alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from syndication.cli.main import main
from syndication.cli.publishing import publish_through_workers
from syndication.errors import DisclaimerBreach
from syndication.hints import QUEUES
from syndication.ledger import presence
from syndication.ledger.content import Entry
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.warm import warm


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "boats").mkdir(parents=True)
    (tree / "publication.toml").write_text(
        '[publication]\nslug = "h"\nname = "Harbour"\nurl = "https://h.example"\ntimezone = "Asia/Tokyo"\n'
    )
    (tree / "boats/series.toml").write_text('title = "Boats"\n')
    (tree / "boats/a.txt").write_text("Slow boats\n\nText.")
    (tree / "boats/bad.md").write_text("---\ntitle: A\npart: x\n---\nText")
    return tmp_path


def run(data_dir: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SYNDICATION_DATA_DIR": str(data_dir), **env}
    return subprocess.run(
        [*warm(), "syndication", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


def entry(place: Path) -> dict[str, Any]:
    (found,) = json.loads(run(place / "var", "entries", "--json").stdout)
    return dict(found)


def test_an_import_does_what_it_can_and_says_what_it_could_not(place: Path) -> None:
    ended = run(place / "var", "import", str(place / "tree"), "--json")
    told = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert [(e["act"], e["slug"]) for e in told["entries"]] == [("created", "a")]
    (failure,) = told["failures"]
    assert (failure["source"], failure["line"]) == ("boats/bad.md, line 3", 3)
    assert failure["reason"]
    assert failure["remedy"]
    ended = run(place / "var", "import", str(place / "tree"))
    assert ended.stdout == "0 new, 0 changed, 1 unchanged\n"
    assert ended.stderr.startswith("boats/bad.md, line 3: part: ")


def test_a_file_that_may_not_be_read_is_told_like_any_other(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line does not refuse all for the sake of one. (Root may read everything, so the answer is feigned.)"""
    monkeypatch.setenv("SYNDICATION_DATA_DIR", str(place / "var"))
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: mode != os.R_OK)
    with pytest.raises(SystemExit) as left:
        main(["import", str(place / "tree/boats/a.txt")])
    assert not left.value.code
    assert capsys.readouterr().out == "1 new, 0 changed, 0 unchanged\n"


def test_a_time_without_an_offset_is_the_publications(place: Path) -> None:
    var = place / "var"
    run(var, "import", str(place / "tree/boats/a.txt"))
    shown = run(var, "schedule", "a", "2041-05-01 09:00")
    assert "2041-05-01 09:00 JST" in shown.stdout
    assert "2001-05-01 09:00 JST has passed; publish it" in run(var, "schedule", "a", "2001-05-01 09:00").stderr
    assert entry(place)["scheduled_at"] == "2041-05-01T00:00:00+00:00"
    run(var, "schedule", "a", "2041-05-01T09:00+01:00")
    assert entry(place)["scheduled_at"] == "2041-05-01T08:00:00+00:00"
    for bad, words in (("2041", "is no date"), ("2020-01-01", "has passed"), ("tomorrow", "is no date")):
        ended = run(var, "schedule", "a", bad)
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
        assert words in ended.stderr
    run(var, "unschedule", "a")
    assert entry(place)["state"] == "draft"
    assert run(var, "unschedule", "a").returncode == 1


def test_a_draft_can_be_discarded_and_what_was_published_cannot(place: Path) -> None:
    var, file = place / "var", place / "tree/boats/a.txt"
    run(var, "import", str(file))
    assert run(var, "discard", "a").stdout == "discarded: boats/a, “Slow boats”\n"
    assert json.loads(run(var, "entries", "--json").stdout) == []
    run(var, "import", str(file))
    run(var, "publish", "a")
    assert "withdrawn, not discarded" in run(var, "discard", "a").stderr
    file.write_text("Slow boats\n\nOther text.")
    run(var, "import", str(file))
    assert entry(place)["change_waits"]
    assert json.loads(run(var, "discard", "a", "--json").stdout) == {"discarded": "boats/a", "title": "Slow boats"}
    assert not entry(place)["change_waits"]


def test_an_unknown_state_is_named(place: Path) -> None:
    ended = run(place / "var", "entries", "--state", "drafts")
    assert ended.returncode == 1
    assert "draft, scheduled, published, withdrawn" in ended.stderr
    nothing = run(place / "var", "entries").stdout
    assert nothing == f"nothing in {place / 'var'}; `syndicate import TREE` brings entries.\n"


def test_how_severe_a_change_is_says_whether_it_is_told(place: Path) -> None:
    var, file = place / "var", place / "tree/boats/a.txt"
    run(var, "import", str(file))
    assert "nobody has seen it; `syndicate discard`" in run(var, "withdraw", "a", "--reason", "No.").stderr
    assert "there is no entry 'boats/'; did you mean boats/a?" in run(var, "publish", "boats/").stderr
    run(var, "publish", "a")
    assert "--reason: no reason is given;" in run(var, "withdraw", "a", "--reason", " ").stderr
    file.write_text("Slow boats\n\nIt waits.")
    assert "1 published: `syndicate correct ENTRY`" in run(var, "import", str(file)).stdout
    assert "published, a change waits" in run(var, "entries").stdout

    def change(text: str, *how: str) -> list[str]:
        file.write_text(f"Slow boats\n\n{text}")
        run(var, "import", str(file))
        run(var, "correct", "a", *how)
        return sorted(row["title"] for row in json.loads(run(var, "entries", "--json").stdout))

    assert change("A typo less.") == ["Slow boats"]
    assert change("Three euros.", "--summary", "It is 3 €.") == ["Correction: Slow boats", "Slow boats"]
    assert "typo, correction, retraction" in run(var, "correct", "a", "--severity", "huge").stderr
    assert len(change("Two.", "--summary", "Not told.", "--severity", "typo")) == 2
    run(var, "withdraw", "boats/a", "--reason", "All wrong.")
    rows = {row["title"]: row["state"] for row in json.loads(run(var, "entries", "--json").stdout)}
    assert rows["Slow boats"] == "withdrawn"
    assert rows["Withdrawn: Slow boats"] == rows["Correction: Slow boats"] == "published"


def test_a_publish_that_is_refused_leaves_a_time_to_come_as_it_was(place: Path) -> None:
    var = place / "var"
    run(var, "import", str(place / "tree/boats/a.txt"))
    run(var, "schedule", "a", "2041-05-01 09:00", "--no-mail")
    settings = Settings(data_dir=var)
    wiring = Wiring(settings, "http://127.0.0.1:8000", "")
    with wiring.db.transaction() as session:
        presence.note(session, "worker", set(QUEUES.values()))  # one that does not get to it
        found = session.scalars(select(Entry)).one()
        entry_id = found.id

    def refuses(*_: object, **__: object) -> None:
        raise DisclaimerBreach(channel="rss", template="x", count=2)

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("syndication.publishing.publish", refuses)
        with pytest.raises(DisclaimerBreach):
            publish_through_workers(wiring, [entry_id], mail=True)
    wiring.db.close()
    assert entry(place)["state"] == "scheduled"
    assert entry(place)["scheduled_at"] == "2041-05-01T00:00:00+00:00"


def test_what_is_refused_does_not_hold_up_the_others(place: Path) -> None:
    var, toml = place / "var", place / "tree/publication.toml"
    (place / "tree/boats/bad.md").write_text("# B\n\nOne.\n\nThe harbour speaks for itself and for nobody.\n\nThree.\n")
    assert run(var, "import", str(place / "tree")).returncode == 0
    toml.write_text(f'{toml.read_text()}[disclaimer.en]\ntext = "The harbour speaks for itself and for nobody."\n')
    assert "paragraph 2 quotes" in run(var, "import", str(place / "tree")).stderr
    ended = run(var, "publish", "--all", "--json")
    assert ended.returncode == 1
    assert {e["slug"]: e["state"] for e in json.loads(ended.stdout)} == {"a": "published", "bad": "draft"}
    assert "paragraph 2 of boats/bad says the notice itself: take it out of the document" in " ".join(
        ended.stderr.split()
    )
