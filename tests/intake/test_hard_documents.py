"""Documents, trees and images that are odd or hostile, and which entry a document is when files move about."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Picture
from sqlalchemy import select

from syndication import publishing
from syndication.content import EntryContent
from syndication.errors import BadInput
from syndication.intake.importer import import_paths
from syndication.intake.report import ImportReport
from syndication.ledger.content import Draft, Entry, Publication, Series
from syndication.ledger.db import Database
from syndication.ledger.lookup import content_of
from syndication.mail import headers
from syndication.settings import Settings

BASE = "http://127.0.0.1:8000"
TEXT = "Slow boats\n\nFirst paragraph."


def write(tree: Path, name: str, text: str | bytes) -> Path:
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    write(
        tree,
        "publication.toml",
        '[publication]\nslug = "harbour"\nname = "Harbour Office"\nurl = "https://h.example"\ndefault_series = "boats"\n',
    )
    write(tree, "boats/series.toml", 'title = "Boats"\n')
    return tree


def take(db: Database, *paths: Path, **options: object) -> ImportReport:
    return import_paths(db, paths, settings=Settings(), **options)  # type: ignore[arg-type]


def content(db: Database, entry_id: int) -> EntryContent:
    with db.reading() as session:
        return content_of(session.get_one(Draft, entry_id))


def image(kind: str) -> bytes:
    out = BytesIO()
    Picture.new("RGB", (4, 3), "teal").save(out, kind)
    return out.getvalue()


def test_no_document_stops_the_others(db: Database, tree: Path) -> None:
    write(tree, "boats/deep.html", "<div>" * 4_000 + "<p>x</p>")
    write(tree, "boats/comment.html", "<!-- nothing -->")
    write(tree, "boats/nul.md", "---\ntitle: T\n---\n![x](a%00.png)")
    write(tree, "boats/long.md", f"---\ntitle: T\n---\n![x]({'a' * 5_000}.png)")
    write(tree, "boats/folder.md", "---\ntitle: T\n---\n![x](../boats)")
    write(tree, "boats/year.md", "---\ntitle: T\npublished: 0001-01-01T00:00:00+14:00\n---\nText")
    write(tree, "boats/odd.txt", b"\xff\xfeT")
    (tree / "boats/is-a-folder.txt").mkdir()
    (tree / "boats/ring.txt").symlink_to("ring.txt")
    os.mkfifo(tree / "boats/pipe.txt")
    with (tree / "boats/huge.txt").open("wb") as huge:
        huge.truncate(20_000_000)
    write(tree, "boats/zz.txt", TEXT)
    report = take(db, tree)
    assert "zz" in {e.slug for e in report.created}
    failed = {f.source.split(",")[0].rpartition("/")[2]: f for f in report.failures}
    assert failed.keys() >= {
        "comment.html", "nul.md", "long.md", "folder.md", "year.md", "odd.txt", "is-a-folder.txt", "ring.txt", "pipe.txt",
        "huge.txt",
    }  # fmt: skip
    assert all(f.reason and f.remedy for f in report.failures)
    assert "20,000,000 bytes" in failed["huge.txt"].reason
    assert "UTF-16" in failed["odd.txt"].reason


def test_a_failure_names_its_line(db: Database, tree: Path) -> None:
    write(tree, "boats/bad.txt", b"Title\n\nfine\n\nT\xf6xt")
    write(tree, "boats/bad.md", "---\ntitle: A\npart: three\n---\nText")
    assert {(f.source, f.line) for f in take(db, tree).failures} == {
        ("boats/bad.txt, line 5", 5),
        ("boats/bad.md, line 3", 3),
    }
    file = tree / "publication.toml"
    good = file.read_text()
    for change, line in (
        (("language", "langage"), None),
        (('"https://h.example"', '"h"'), 4),
        (("slug =", "slag ="), 2),
    ):
        file.write_text(good.replace(*change))
        failures = take(db, tree).failures
        assert [f.line for f in failures if f.source.startswith("publication.toml")] == ([line] if line else [])


@pytest.mark.parametrize(
    "sender",
    ["nobody", "Tide <a@b.example> extra", "Tide, Inc. <a@b.example>", "a@b.example, c@b.example", "Tide <a@b", "a@@b.example",
     "x: a@b.example;", "ü@b.example", "a@[127.0.0.1]", "a@b.example\\r\\nBcc: c@b.example"],
)  # fmt: skip
def test_a_sender_that_is_not_one_mailbox_is_refused(db: Database, tree: Path, sender: str) -> None:
    file = tree / "publication.toml"
    file.write_text(file.read_text() + f'[mail]\nfrom = "{sender}"\n')
    (failure,) = take(db, tree).failures
    assert failure.line == 7
    assert "one mailbox" in failure.reason


@pytest.mark.parametrize(
    "sender", ["a@b.example", '\\"Tide, Inc.\\" <a@b.example>', "St. John’s & Söhne <a@bücher.example>"]
)
def test_a_sender_that_is_one_is_taken(db: Database, tree: Path, sender: str) -> None:
    file = tree / "publication.toml"
    file.write_text(file.read_text() + f'[mail]\nfrom = "{sender}"\n')
    assert not take(db, tree).failures


@pytest.mark.parametrize(
    "name", ["Water, Wind & Sons", "Tide: an institute", "Boats; trains", "[Tide]", "Tide @ Quay", "Tide (north)", "潮"]
)
def test_whatever_a_publication_is_called_its_mail_has_a_sender(db: Database, tree: Path, name: str) -> None:
    file = tree / "publication.toml"
    file.write_text(re.sub("(?m)^name = .*$", f'name = "{name}"', file.read_text(), count=1))
    assert not take(db, tree).failures
    with db.reading() as session:
        publication = session.scalars(select(Publication)).one()
    assert headers.parsed_mailbox(publication.mail_from, publication.name) == (name, "news@h.example")


@pytest.mark.parametrize("name", ["all", "Boats and Tides", "scope-1", "été"])
def test_a_folder_that_cannot_be_an_address_is_refused(db: Database, tree: Path, name: str) -> None:
    write(tree, f"{name}/series.toml", 'title = "X"\n')
    (failure,) = take(db, tree).failures
    assert "cannot be the slug" in failure.reason


def test_a_folder_that_is_a_link_out_of_the_tree_is_refused(db: Database, tree: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/series.toml", 'title = "X"\n')
    (tree / "away").symlink_to(tmp_path / "outside")
    (failure,) = take(db, tree).failures
    assert "leaves the tree" in failure.reason
    with db.reading() as session:
        assert [s.slug for s in session.scalars(select(Series))] == ["boats"]


def test_what_is_not_read_is_said(db: Database, tree: Path) -> None:
    write(tree, "boats/a.docx", b"PK")
    report = take(db, tree)
    assert [source for source, _ in report.warnings] == ["boats/a.docx"]


def test_no_address_of_a_document_runs_anything(db: Database, tree: Path) -> None:
    write(
        tree,
        "boats/a.html",
        "<article><h1>T</h1><p>Text &#8; <a href='java&#9;script:x()'>a</a> <a href='//[half'>b</a></p>"
        "<p>For more on this topic please see:</p><ul><li><a href='javascript:x()'>Evil</a></li>"
        "<li><a href='https://h.example/t'>Tides</a></li></ul></article>",
    )
    report = take(db, tree)
    got = content(db, report.created[0].entry_id)
    assert "javascript" not in got.body_html
    assert "\x08" not in got.body_html
    assert [(r.title, r.url) for r in got.related] == [("Evil", None), ("Tides", "https://h.example/t")]


def test_a_note_may_not_carry_the_notice(db: Database, tree: Path) -> None:
    notice = (
        "The positions of Harbour Office are independent, and the findings and conclusions presented are those of "
        "Harbour Office alone."
    )
    write(tree, "boats/a.md", f"---\ntitle: T\nnotes: {notice}\n---\nText")
    (failure,) = take(db, tree).failures
    assert "a note of the front matter quotes the notice" in failure.reason


def test_a_picture_is_what_its_bytes_say(db: Database, tree: Path) -> None:
    for name, kind in (("a.png", "JPEG"), ("b.jpg", "WEBP"), ("c", "GIF"), ("d.jpg", "MPO")):
        write(tree, f"boats/{name}", image(kind))
    write(tree, "boats/a.md", '---\ntitle: T\n---\n![a](a.png "Seen at dawn")\n\n![b](b.jpg)\n\n![c](c)\n\n![d](d.jpg)')
    report = take(db, tree)
    got = content(db, report.created[0].entry_id)
    assert [i.ext for i in got.images] == ["jpg", "webp", "gif", "jpg"]
    assert got.images[0].caption == "Seen at dawn"
    assert "<figcaption>Seen at dawn</figcaption></figure>" in got.body_html


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", image("PNG")[:40]])
def test_a_picture_that_is_none_is_refused(db: Database, tree: Path, data: bytes) -> None:
    write(tree, "boats/a.png", data)
    write(tree, "boats/a.md", "---\ntitle: T\n---\n![a](a.png)")
    (failure,) = take(db, tree).failures
    assert "PNG, JPEG, GIF or WebP" in failure.remedy


def test_a_copy_is_an_entry_of_its_own_and_stays_so(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", TEXT)
    write(tree, "boats/b.txt", TEXT)
    assert len(take(db, tree).created) == 2
    assert {e.act for e in take(db, tree).entries} == {"unchanged"}


def test_what_a_person_scheduled_is_not_undone_by_the_same_document(db: Database, tree: Path) -> None:
    file = write(tree, "boats/a.md", "---\ntitle: T\npublish_at: 2031-03-04T09:00:00Z\n---\nText")
    (entry,) = take(db, tree).created
    later = datetime(2032, 1, 1, tzinfo=UTC)
    with db.transaction() as session:
        publishing.schedule(session, session.get_one(Entry, entry.entry_id), later)
    assert [e.act for e in take(db, tree).entries] == ["unchanged"]
    with db.reading() as session:
        assert session.get_one(Entry, entry.entry_id).scheduled_at == later
    file.write_text("---\ntitle: T\n---\nText")
    assert "still scheduled" in take(db, tree).warnings[0][1]


def test_a_document_that_gets_an_id_or_goes_into_the_tree_keeps_its_entry(
    db: Database, tree: Path, tmp_path: Path
) -> None:
    take(db, tree)
    (lone,) = take(db, write(tmp_path, "slow-boats.txt", TEXT)).created
    write(tree, "boats/slow-boats.txt", TEXT)
    assert [(e.entry_id, e.act) for e in take(db, tree).entries] == [(lone.entry_id, "unchanged")]
    write(tree, "boats/a.md", "---\ntitle: A\n---\nText")
    (first,) = take(db, tree).created
    write(tree, "boats/a.md", "---\nid: a-2026\ntitle: A\n---\nText")
    (second,) = take(db, tree).changed
    assert second.entry_id == first.entry_id
    (tree / "boats/a.md").rename(tree / "boats/b.md")
    write(tree, "boats/b.md", "---\nid: a-2026\ntitle: A\n---\nNew text")
    assert [e.entry_id for e in take(db, tree).changed] == [first.entry_id]


def test_the_advice_to_name_the_entry_can_be_followed(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", TEXT)
    (first,) = take(db, tree).created
    publishing.publish(db, BASE, [first.entry_id])
    (tree / "boats/a.txt").unlink()
    moved = write(tree, "boats/b.txt", TEXT + " Changed.")
    report = take(db, tree)
    assert f"--as {first.entry_id}" in report.warnings[0][1]
    (named,) = take(db, moved, as_identity=str(first.entry_id)).entries
    assert (named.entry_id, named.act, named.slug) == (first.entry_id, "waiting", "a")
    write(tree, "boats/b.txt", TEXT + " Changed again.")
    assert [(e.entry_id, e.act) for e in take(db, tree).entries] == [(first.entry_id, "waiting")]
    with db.reading() as session:
        assert len(session.scalars(select(Entry)).unique().all()) == 1


def test_one_identity_is_one_document(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", TEXT)
    write(tree, "boats/b.txt", "B\n\nText")
    with pytest.raises(BadInput, match="2 documents"):
        take(db, tree, as_identity="1")


def test_one_file_of_a_tree_is_not_held_up_by_another_series(db: Database, tree: Path) -> None:
    write(tree, "broken/series.toml", "title = ")
    file = write(tree, "boats/a.txt", TEXT)
    assert not take(db, file).failures
    root_file = write(tree, "root.txt", "Root\n\nText.")
    (entry,) = take(db, root_file).created
    assert entry.series == "boats"
    with db.reading() as session:
        assert session.get_one(Entry, entry.entry_id).identity == "path:root.txt"
    assert len(take(db, tree / "publication.toml").failures) == 1


def test_a_published_entry_keeps_its_address_and_takes_its_part(db: Database, tree: Path) -> None:
    write(tree, "boats/a.md", "---\ntitle: A\npart: 1\n---\nText")
    (entry,) = take(db, tree).created
    publishing.publish(db, BASE, [entry.entry_id])
    (tree / "boats/a.md").rename(tree / "boats/other.md")
    assert "stays boats/a" not in str(take(db, tree).warnings)  # nothing was asked for
    write(tree, "boats/other.md", "---\ntitle: A\npart: 2\n---\nText")
    report = take(db, tree)
    assert "stays boats/a" in report.warnings[0][1]
    with db.reading() as session:
        row = session.get_one(Entry, entry.entry_id)
        assert (row.slug, row.part) == ("a", 2)


def test_a_page_without_an_article_is_read_by_its_main_text(db: Database, tree: Path) -> None:
    words = "The ferry was late again, and nobody on the quay could say why it was so. " * 6
    write(
        tree,
        "boats/a.html",
        f"<html><head><title>Late</title></head><body><nav><a href=/>Home</a></nav><div id=content><h1>Late</h1><p>{words}</p>"
        f"<p>{words}</p></div><footer>Imprint and cookies</footer></body></html>",
    )
    report = take(db, tree)
    got = content(db, report.created[0].entry_id)
    assert got.title == "Late"
    assert "nobody on the quay" in got.body_html
    assert "Home" not in got.body_html
