"""Trees: what lies there and is not read, what is gone, twins, and several processes that import or publish at once."""

from __future__ import annotations

import multiprocessing
import unicodedata
from pathlib import Path

import pytest
from sqlalchemy import func, select

from syndication import publishing
from syndication.intake.importer import import_paths
from syndication.intake.report import ImportReport
from syndication.ledger.content import Draft, Entry, Notice, Publication, Revision, Series
from syndication.ledger.db import Database
from syndication.ledger.former import present_slugs
from syndication.renaming import rename_entry, rename_series
from syndication.settings import Settings
from tests.intake.test_images import saved

BASE = "http://127.0.0.1:8000"
PUBLICATION = (
    '[publication]\nslug = "harbour"\nname = "Harbour Office"\nurl = "https://h.example"\ndefault_series = "boats"\n'
)


def write(tree: Path, name: str, text: str) -> Path:
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path, "tree/publication.toml", PUBLICATION)
    write(tmp_path, "tree/boats/series.toml", 'title = "Boats"\n')
    write(tmp_path, "tree/trains/series.toml", 'title = "Trains"\n')
    return tmp_path / "tree"


def take(db: Database, *paths: Path, **options: object) -> ImportReport:
    return import_paths(db, paths, settings=Settings(), **options)  # type: ignore[arg-type]


@pytest.mark.sqlite_only
def test_what_lies_in_a_tree_and_is_not_read_is_said(db: Database, tree: Path) -> None:
    write(tree, "README.md", "# About")
    write(tree, "loose.md", "# Loose\n\nText")
    write(tree, "boats/2026/deep.txt", "Deep\n\nText")
    write(tree, "boats/images/readme.png", "")
    report = take(db, tree)
    assert not report.failures
    assert {source for source, _ in report.warnings} == {"loose.md", "boats/2026/"}


@pytest.mark.sqlite_only
def test_a_document_that_is_gone_takes_nothing_back_and_is_named(db: Database, tree: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write(tree, f"boats/{name}.txt", f"{name}\n\nText of {name}.")
    ids = {e.slug: e.entry_id for e in take(db, tree).created}
    publishing.publish(db, BASE, [ids["a"]])
    for name in ("a", "b"):
        (tree / f"boats/{name}.txt").unlink()
    (tree / "boats/c.txt").rename(tree / "boats/moved.txt")
    report = take(db, tree)
    assert {e.entry_id for e in report.entries} == {ids["c"], ids["d"]}
    assert dict(report.warnings).keys() == {"boats/b.txt", "boats/"}
    assert "1 published" in dict(report.warnings)["boats/"]
    assert "discard" in dict(report.warnings)["boats/b.txt"]
    with db.transaction() as session:
        publishing.discard(session, session.get_one(Entry, ids["b"]))
    assert dict(take(db, tree).warnings).keys() == {"boats/"}


@pytest.mark.sqlite_only
def test_two_documents_of_one_id_do_not_take_turns(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "---\nid: one\ntitle: A\n---\nText A")
    write(tree, "boats/copy.md", "---\nid: one\ntitle: B\n---\nText B")
    report = take(db, tree)
    (failure,) = report.failures
    assert "boats/a.md are one entry" in failure.reason
    assert len(report.entries) == 1
    assert [e.act for e in take(db, tree).entries] == ["unchanged"]


@pytest.mark.sqlite_only
def test_a_name_is_one_name_in_either_unicode_form(db: Database, tree: Path) -> None:
    short, long = (unicodedata.normalize(form, "fähre.txt") for form in ("NFC", "NFD"))
    write(tree, f"boats/{long}", "Fähre\n\nText")
    (first,) = take(db, tree).created
    (tree / "boats" / long).rename(tree / "boats" / short)
    write(tree, f"boats/{short}", "Fähre\n\nOther text")
    (changed,) = take(db, tree).changed
    assert (changed.entry_id, changed.slug) == (first.entry_id, "fahre")
    write(tree, f"boats/{long}", "Fähre\n\nA third text")
    assert len(take(db, tree).failures) == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("name", "slug"), [("渡し船", "dushichuan"), ("שלום", "slvm"), ("Straße ø", "strasse-o"), ("…", None)]
)
def test_every_script_makes_an_address_that_stays(db: Database, tree: Path, name: str, slug: str | None) -> None:
    file = write(tree, f"boats/{name}.txt", "Title\n\nText")
    (first,) = take(db, tree).created
    assert first.slug == (slug or first.slug)
    publishing.publish(db, BASE, [first.entry_id])
    file.write_text("Title\n\nOther text")
    report = take(db, tree)
    assert [(e.entry_id, e.slug) for e in report.changed] == [(first.entry_id, first.slug)]
    assert report.warnings == []


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("language", "slug"),
    [("de", "ueber-bruecken-strasse"), ("de-AT", "ueber-bruecken-strasse"), ("tr", "uber-brucken-strasse")],
)
def test_german_writes_its_umlauts_out(db: Database, tree: Path, language: str, slug: str) -> None:
    file = write(tree, "boats/Über Brücken Straße.md", f"---\ntitle: T\nlanguage: {language}\n---\nText")
    (first,) = take(db, tree).created
    assert first.slug == slug
    publishing.publish(db, BASE, [first.entry_id])
    file.write_text("---\ntitle: T\nlanguage: sv\n---\nText")
    (changed,) = take(db, tree).changed
    assert changed.slug == slug, "what is published keeps its address"


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("stem", "part", "slug"),
    [("03-boats", 3, "boats"), ("3. boats", 3, "boats"), ("03 boats", 3, "boats"), ("10 ways", None, "10-ways"),
     ("2026-05-04-boats", None, "2026-05-04-boats"), ("100 ways", None, "100-ways"), ("00-zero", None, "zero")],
)  # fmt: skip
def test_a_number_before_the_name_is_the_part(db: Database, tree: Path, stem: str, part: int | None, slug: str) -> None:
    write(tree, f"boats/{stem}.txt", "Title\n\nText")
    (entry,) = take(db, tree).created
    with db.reading() as session:
        assert (entry.slug, session.get_one(Entry, entry.entry_id).part) == (slug, part)


@pytest.mark.sqlite_only
def test_the_folder_says_the_series(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "---\ntitle: A\nseries: trains\n---\nText")
    report = take(db, tree)
    assert report.created[0].series == "boats"
    assert "not into trains" in report.warnings[0][1]


@pytest.mark.sqlite_only
def test_a_draft_moves_between_series_and_a_published_entry_does_not(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", "A\n\nText of A.")
    write(tree, "boats/b.txt", "B\n\nText of B.")
    ids = {e.slug: e.entry_id for e in take(db, tree).created}
    publishing.publish(db, BASE, [ids["b"]])
    for name in ("a", "b"):
        (tree / f"boats/{name}.txt").rename(tree / f"trains/{name}.txt")
    got = {e.entry_id: e.series for e in take(db, tree).entries}
    assert got == {ids["a"]: "trains", ids["b"]: "boats"}


@pytest.mark.sqlite_only
def test_another_name_of_the_publisher_is_its_own_where_it_says_so(db: Database, tree: Path) -> None:
    notice = "The positions of {0} are independent, and the findings and conclusions presented are those of {0} alone."
    write(tree, "boats/a.txt", f"A\n\nText.\n\n{notice.format('The Port')}")
    (failure,) = take(db, tree).failures
    assert "also_known_as" in failure.remedy
    file = tree / "publication.toml"
    file.write_text(PUBLICATION + 'also_known_as = ["Port"]\n')
    assert not take(db, tree).failures


@pytest.mark.sqlite_only
def test_a_date_to_come_holds_nothing_back_and_is_said(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "---\ntitle: A\npublished: 2041-01-01\n---\nText")
    assert "publish_at" in take(db, tree).warnings[0][1]
    assert take(db, tree).warnings == []


@pytest.mark.sqlite_only
def test_a_changed_picture_is_a_changed_document(db: Database, tree: Path) -> None:
    (tree / "boats/a.png").write_bytes(saved("PNG"))
    write(tree, "boats/a.md", "# A\n\n![A](a.png)")
    take(db, tree)
    (tree / "boats/a.png").write_bytes(saved("PNG", size=(9, 9)))
    assert [e.act for e in take(db, tree).entries] == ["changed"]
    assert [e.act for e in take(db, tree).entries] == ["unchanged"]


def _import(url: str, tree: str, start: object, told: object) -> None:
    db = Database(url)
    start.wait()  # type: ignore[attr-defined]
    report = import_paths(db, [Path(tree)], settings=Settings())
    told.put([f.reason for f in report.failures])  # type: ignore[attr-defined]
    db.close()


def _publish(url: str, ids: list[int], start: object, told: object) -> None:
    db = Database(url)
    start.wait()  # type: ignore[attr-defined]
    try:
        told.put([c.act for c in publishing.publish(db, BASE, ids)])  # type: ignore[attr-defined]
    except Exception as error:
        told.put([repr(error)])  # type: ignore[attr-defined]
    db.close()


def together(db: Database, jobs: list[tuple[object, tuple[object, ...]]]) -> list[list[str]]:
    """Each job in a process of its own, all at one moment; what each told."""
    db.close()  # no connection of ours goes along
    fork = multiprocessing.get_context("fork")
    start, told = fork.Barrier(len(jobs)), fork.Queue()
    processes = [fork.Process(target=do, args=(*given, start, told)) for do, given in jobs]  # type: ignore[arg-type]
    for process in processes:
        process.start()
    answers = [told.get(timeout=60) for _ in jobs]
    for process in processes:
        process.join(30)
    return answers


def test_four_imports_of_one_tree_at_once_are_one(db: Database, db_url: str, tree: Path) -> None:
    for number in range(12):
        write(tree, f"boats/{number}.txt", f"Title {number}\n\nText {number}")
    assert together(db, [(_import, (db_url, str(tree)))] * 4) == [[]] * 4
    with db.reading() as session:
        counts = [
            session.scalar(select(func.count()).select_from(t)) for t in (Publication, Series, Notice, Entry, Draft)
        ]
    assert counts == [1, 2, 1, 12, 12]


def test_four_publish_the_same_entries_at_once_and_one_does(db: Database, db_url: str, tree: Path) -> None:
    for number in range(6):
        write(tree, f"boats/{number}.txt", f"Title {number}\n\nText {number}")
    ids = [e.entry_id for e in take(db, tree).created]
    answers = together(db, [(_publish, (db_url, ids))] * 4)
    assert sorted(act for answer in answers for act in answer) == ["published"] * 6 + ["unchanged"] * 18
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Revision)) == 6
        assert sorted(session.scalars(select(Entry.seq))) == list(range(1, 7))
        assert session.scalars(select(Publication.seq)).one() == 6


def test_an_import_beside_a_publish_loses_no_text(db: Database, db_url: str, tree: Path) -> None:
    names = [f"boats/{number}.txt" for number in range(8)]
    for name in names:
        write(tree, name, f"Title {name}\n\nOld text")
    ids = [e.entry_id for e in take(db, tree).created]
    for name in names:
        write(tree, name, f"Title {name}\n\nNew text")
    answers = together(db, [(_import, (db_url, str(tree))), *((_publish, (db_url, [i])) for i in ids[:3])])
    assert [a for a in answers if a not in ([], ["published"], ["corrected"])] == []
    with db.reading() as session:
        for entry in session.scalars(select(Entry)).unique():
            draft = session.get(Draft, entry.id)
            newest = draft.content if draft else entry.revision and entry.revision.content
            assert newest
            assert "New text" in newest["body_html"]
            assert entry.state == ("published" if entry.id in ids[:3] else "draft")


@pytest.mark.sqlite_only
def test_a_folder_of_another_name_is_the_series_that_it_was(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "# A\n\nText of A.")
    write(tree, "boats/b.md", "# B\n\nText of B.")
    ids = {e.slug: e.entry_id for e in take(db, tree).created}
    publishing.publish(db, BASE, [ids["a"]])
    (tree / "boats").rename(tree / "slow-boats")
    write(tree, "slow-boats/series.toml", 'title = "Boats"\nformerly = ["boats"]\n')
    write(tree, "slow-boats/a.md", "# A\n\nText of A, moved and changed at once.")
    for _ in range(2):
        report = take(db, tree)
        assert not report.failures
        assert {e.slug: e.entry_id for e in report.entries} == ids
        assert {e.series for e in report.entries} == {"slow-boats"}
        assert not report.warnings
    with db.reading() as session:
        assert sorted(session.scalars(select(Series.slug))) == ["slow-boats", "trains"]


@pytest.mark.sqlite_only
def test_a_name_from_before_this_ledger_leads_to_the_series(db: Database, tree: Path) -> None:
    write(tree, "boats/series.toml", 'title = "Boats"\nformerly = ["ships", "boats"]\n')
    for _ in range(2):
        assert not take(db, tree).failures
    with db.reading() as session:
        assert present_slugs(session) == {"ships": "boats"}
    write(tree, "trains/series.toml", 'title = "Trains"\nformerly = ["ships"]\n')
    [failure] = take(db, tree).failures
    assert "is, or was, another series" in failure.reason
    write(tree, "trains/series.toml", 'title = "Trains"\nformerly = ["Big Ships"]\n')
    [failure] = take(db, tree).failures
    assert "cannot be the slug" in failure.reason


@pytest.mark.sqlite_only
def test_a_folder_that_keeps_the_old_name_is_still_the_series(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "# A\n\nText of A.")
    [a] = take(db, tree).created
    publishing.publish(db, BASE, [a.entry_id])
    with db.transaction() as session:
        rename_series(session, session.scalars(select(Series).where(Series.slug == "boats")).one(), "slow-boats")
    report = take(db, tree)
    assert [source for source, words in report.warnings if "slow-boats now" in words] == ["boats/"]
    assert [e.act for e in report.entries] == ["unchanged"]
    (tree / "boats").rename(tree / "slow-boats")
    write(tree, "slow-boats/a.md", "# A\n\nText of A, changed.")
    assert [(e.entry_id, e.act) for e in take(db, tree).entries] == [(a.entry_id, "waiting")]
    write(tree, "boats/series.toml", 'title = "Other boats"\n')  # a name that is taken for ever
    assert any("slow-boats now" in words for _, words in take(db, tree).warnings)


@pytest.mark.sqlite_only
def test_a_slug_that_a_document_says_moves_a_published_entry(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "# A\n\nText of A.")
    write(tree, "boats/b.md", "# B\n\nText of B.")
    ids = {e.slug: e.entry_id for e in take(db, tree).created}
    publishing.publish(db, BASE, list(ids.values()))
    write(tree, "boats/a.md", "---\nslug: the-quay\n---\n# A\n\nText of A.")
    report = take(db, tree)
    assert [(e.slug, e.entry_id) for e in report.entries if e.slug != "b"] == [("the-quay", ids["a"])]
    assert any("the old address leads there" in words for _, words in report.warnings)
    with db.transaction() as session:
        rename_entry(session, session.get_one(Entry, ids["a"]), "the-pier")  # by hand, since
    write(tree, "boats/a.md", "---\nslug: the-quay\n---\n# A\n\nText of A, corrected.")
    report = take(db, tree)
    assert any("it stays boats/the-pier" in words for _, words in report.warnings)
    for slug, source in (("the-quay", "c"), ("the-pier", "c"), ("a", "d")):  # each is, or was, the first entry's
        write(tree, f"boats/{source}.md", f"---\nslug: {slug}\n---\n# C\n\nText.")
        [failure] = take(db, tree).failures
        assert "belongs to another entry, or did" in failure.reason
        (tree / f"boats/{source}.md").unlink()
    write(tree, "boats/b.md", "---\nslug: the-quay\n---\n# B\n\nText of B.")
    [failure] = take(db, tree).failures
    assert "another entry's address" in failure.reason
