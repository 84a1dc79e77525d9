"""`syndicate preview`: what is not published yet is seen by who asks for it, and by nobody else."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from syndication import clock
from syndication.errors import DisclaimerBreach, NeedsHuman
from syndication.feeds.disclaimers import count_html, count_text
from syndication.intake.importer import import_paths
from syndication.ledger import notices
from syndication.ledger.content import Entry
from syndication.ledger.db import Database
from syndication.publishing import publish, schedule
from syndication.settings import Settings
from syndication.tree.preview import preview
from syndication.web.app import create_app
from syndication.wiring import Wiring

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def desk(db: Database, tmp_path: Path) -> Wiring:
    tree = tmp_path / "tree"
    (tree / "boats").mkdir(parents=True)
    (tree / "publication.toml").write_text(
        '[publication]\nslug = "h"\nname = "Harbour"\nurl = "https://h.example"\nsupporters_url = "https://h.example/s"\n'
    )
    (tree / "boats/series.toml").write_text('title = "Boats"\n')
    Image.new("RGB", (40, 20), "navy").save(tree / "boats/boat.png")
    (tree / "boats/slow.md").write_text("---\ntitle: Slow boats\n---\nThe **first** text.\n\n![A boat](boat.png)\n")
    made = Wiring(settings=Settings(data_dir=tmp_path, database_url=db.url), base_url=BASE, broker_url="")
    made.__dict__["db"] = db
    take(made)
    return made


def take(desk: Wiring, text: str = "") -> int:
    """The entry's id, its document with `text` imported."""
    tree = desk.settings.data_dir / "tree"
    if text:
        (tree / "boats/slow.md").write_text(f"---\ntitle: Slow boats\n---\n{text}\n")
    report = import_paths(desk.db, [tree], settings=desk.settings)
    assert not report.failures
    return report.entries[0].entry_id


def test_a_draft_is_shown_as_it_would_go_out_and_stays_a_draft(desk: Wiring, tmp_path: Path) -> None:
    with desk.db.reading() as session:
        before, notice = session.get_one(Entry, 1).seq, notices.current(session, 1, "en").text
    made = preview(desk, 1, tmp_path / "seen")
    page, mail, text = (Path(place).read_text() for place in (made.page, made.mail, made.text))
    assert made.subject == "Slow boats"
    assert count_html(page, notice) == count_html(mail, notice) == count_text(text, notice) == 1
    assert "The <strong>first</strong> text." in page
    assert "/static/" not in page, "it needs no service to be looked at"
    (picture,) = os.listdir(tmp_path / "seen/media")
    assert f'src="media/{picture}"' in page
    assert f'src="media/{picture}"' in mail
    with TestClient(create_app(desk), base_url=BASE) as web:
        assert web.get("/series/boats/slow/").status_code == 404
        assert web.get(f"/media/{picture}").status_code == 404
        assert "Slow boats" not in web.get("/").text
    with desk.db.reading() as session:
        entry = session.get_one(Entry, 1)
        assert (entry.state, entry.seq, entry.published_at, entry.revision_id) == ("draft", before, None, None)


def test_a_scheduled_entry_has_its_date_and_a_change_is_seen_before_it_is_out(desk: Wiring, tmp_path: Path) -> None:
    with desk.db.transaction() as session:
        schedule(session, session.get_one(Entry, 1), clock.now() + timedelta(days=4_000))
    year = (clock.now() + timedelta(days=4_000)).year
    assert f'"{year}-' in Path(preview(desk, 1, tmp_path / "seen").page).read_text()
    publish(desk.db, BASE, [1])
    take(desk, "The second text.")
    assert "The second text." in Path(preview(desk, 1, tmp_path / "seen").mail).read_text()
    with TestClient(create_app(desk), base_url=BASE) as web:
        assert "first" in web.get("/series/boats/slow/").text


def test_what_would_be_refused_is_told(desk: Wiring, tmp_path: Path) -> None:
    places = desk.settings.model_copy(update={"templates_dir": tmp_path / "own"})
    (tmp_path / "own/web").mkdir(parents=True)
    (tmp_path / "own/web/entry.html").write_text("No notice.")
    broken = Wiring(settings=places, base_url=BASE, broker_url="")
    broken.__dict__["db"] = desk.db
    with pytest.raises(DisclaimerBreach, match=r"web/entry\.html"):
        preview(broken, 1, tmp_path / "seen")
    assert not (tmp_path / "seen").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsHuman, match="name another directory"):
        preview(desk, 1, tmp_path / "file")


def test_what_is_written_is_what_was_counted(desk: Wiring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syndication.tree.preview._at_hand", lambda _, words: words * 2)
    with pytest.raises(DisclaimerBreach):
        preview(desk, 1, tmp_path / "seen")
    assert not (tmp_path / "seen").exists()
