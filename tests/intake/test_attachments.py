"""Sound, films and PDFs from the front matter to every channel: what a reader can fetch, and nothing after a withdrawal."""

from __future__ import annotations

import hashlib
from pathlib import Path

import feedparser
import pytest
from sqlalchemy import select

from syndication import publishing
from syndication.content import EntryContent
from syndication.errors import BadInput
from syndication.feeds import lint
from syndication.feeds.formats import FORMATS
from syndication.intake.attachments import attach, kind_of
from syndication.intake.front import Attached
from syndication.intake.importer import import_paths
from syndication.ledger.content import Draft, Publication, Revision
from syndication.ledger.db import Database
from syndication.ledger.lookup import entry_named
from syndication.mail.blocks import compile_block
from syndication.mail.loading import text_of
from syndication.rendering import Renderer
from syndication.settings import Settings
from syndication.tree.export import export
from syndication.web.media import wanted_part
from syndication.wiring import Wiring
from tests.feeds.feed_world import breaks
from tests.partners import partner_world
from tests.web.web_world import BASE, browser

SOUND = b"ID3\x04" + bytes(range(256)) * 20 + b"fade out"
PAPER = b"%PDF-1.7\n" + b"figures " * 400
PUBLICATION = '[publication]\nslug = "h"\nname = "Harbour Office"\nurl = "https://h.example"\n'
DOCUMENT = """---
title: The Last Boat
attachments: [audio/boat.mp3, {file: "fig%C3%BCres.pdf", title: "Figures & <tables>"}]
---
When the last boat goes, a town loses its evenings.
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "boats/audio").mkdir(parents=True)
    (tree / "publication.toml").write_text(PUBLICATION)
    (tree / "boats/series.toml").write_text('title = "Boats"\n')
    (tree / "boats/last.md").write_text(DOCUMENT)
    (tree / "boats/audio/boat.mp3").write_bytes(SOUND)
    (tree / "boats/figüres.pdf").write_bytes(PAPER)
    return tree


@pytest.fixture
def wiring(db: Database, tmp_path: Path, tree: Path) -> Wiring:
    """The entry published."""
    made = Wiring(Settings(data_dir=tmp_path, database_url=db.url, feed_check_seconds=1e-9), BASE, "")
    made.__dict__["db"] = db
    report = import_paths(db, [tree], settings=made.settings)
    assert not report.failures
    publishing.publish(db, BASE, [one.entry_id for one in report.entries])
    publishing.rerender_all(db, BASE)
    return made


def test_every_channel_has_them(wiring: Wiring, db: Database, tmp_path: Path) -> None:
    sound, paper = (f"{BASE}/media/{hashlib.sha256(d).hexdigest()}.{e}" for d, e in ((SOUND, "mp3"), (PAPER, "pdf")))
    expected = [(sound, "audio/mpeg", len(SOUND)), (paper, "application/pdf", len(PAPER))]
    partner = partner_world.add(db, "The Quay")
    with browser(wiring) as client:
        feeds = {fmt: client.get(f"/feeds/boats.{fmt}") for fmt in FORMATS}
        for fmt, answer in feeds.items():
            assert breaks(fmt, answer.content) == []
            assert lint.document(fmt, answer.content, f"{BASE}/feeds/boats.{fmt}") == []
            [text] = FORMATS[fmt].full_texts(answer.content)
            assert f'<li><a href="{sound}">boat.mp3</a> (MP3, 5 kB)</li>' in text
            assert "Figures &amp; &lt;tables&gt;" in text
        [item] = feeds["json"].json()["items"]
        assert [(a["url"], a["mime_type"], a["size_in_bytes"]) for a in item["attachments"]] == expected
        assert [a["title"] for a in item["attachments"]] == ["boat.mp3", "Figures & <tables>"]
        for fmt, count in (("atom", 2), ("rss", 1)):
            [entry] = feedparser.parse(feeds[fmt].content).entries
            assert [(e.href, e.type, int(e.length)) for e in entry.enclosures] == expected[:count]
            assert entry.link == f"{BASE}/series/boats/last/"
        assert f'media:content url="{paper}"' in feeds["rss"].text
        page = client.get("/series/boats/last/").text
        assert f'href="{sound.removeprefix(BASE)}"' in page
        [record] = client.get("/partners/v1/entries", headers=partner).json()["entries"]
        assert [(a["url"], a["media_type"], a["length"]) for a in record["attachments"]] == expected
        with db.reading() as session:
            found = entry_named(session, "last")
            assert found.revision is not None
            text = text_of(found.revision, found, session.get_one(Publication, 1), BASE)
            block = compile_block(Renderer().render, text)
        assert sound in block.html["full"]
        assert sound in block.text["full"]

        answer = client.get(sound.removeprefix(BASE))
        assert (answer.content, answer.headers["content-type"]) == (SOUND, "audio/mpeg")
        export(wiring, tmp_path / "site")
        assert (tmp_path / "site" / sound.removeprefix(f"{BASE}/")).read_bytes() == SOUND
        with db.reading() as session:
            number = entry_named(session, "last").id
        publishing.withdraw(db, BASE, number, "Wrong.")
        assert client.get(sound.removeprefix(BASE)).status_code == 404
        export(wiring, tmp_path / "site")
        assert not (tmp_path / "site" / sound.removeprefix(f"{BASE}/")).exists()


def test_a_player_gets_the_part_that_it_asks_for(wiring: Wiring) -> None:
    path = f"/media/{hashlib.sha256(SOUND).hexdigest()}.mp3"
    with browser(wiring) as client:
        whole = client.get(path)
        assert whole.headers["accept-ranges"] == "bytes"
        for asked, part in (("0-3", SOUND[:4]), ("100-", SOUND[100:]), ("-7", SOUND[-7:]), ("9-999999", SOUND[9:])):
            answer = client.get(path, headers={"Range": f"bytes={asked}"})
            assert (answer.status_code, answer.content) == (206, part), asked
            begin = SOUND.index(part)
            assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(part) - 1}/{len(SOUND)}"
        beyond = client.get(path, headers={"Range": "bytes=999999-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(SOUND)}")
        other = client.get(path, headers={"Range": "bytes=0-3", "If-Range": '"another"'})
        assert (other.status_code, other.content) == (200, SOUND)
        same = client.get(path, headers={"Range": "bytes=0-3", "If-Range": whole.headers["etag"]})
        assert same.status_code == 206
        assert (
            client.get(path, headers={"If-None-Match": whole.headers["etag"], "Range": "bytes=0-3"}).status_code == 304
        )


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", range(1)), ("bytes=5-", range(5, 10)), ("bytes=-3", range(7, 10)), ("bytes=-99", range(10)),
        ("", None), ("bytes=-", None), ("bytes=3-2", None), ("bytes=0-1,4-5", None), ("lines=0-1", None),
        ("bytes=-0", range(10, 10)), ("bytes=10-", range(10, 10)), ("bytes=" + "9" * 16 + "-", None),
    ],
)  # fmt: skip
def test_what_a_range_means(asked: str, part: range | None) -> None:
    assert wanted_part(asked, 10) == part


@pytest.mark.sqlite_only
def test_another_file_is_a_changed_document(wiring: Wiring, db: Database, tree: Path) -> None:
    assert import_paths(db, [tree], settings=wiring.settings).changed == []
    (tree / "boats/audio/boat.mp3").write_bytes(SOUND + b"more")
    assert [one.act for one in import_paths(db, [tree], settings=wiring.settings).entries] == ["waiting"]
    with db.reading() as session:
        draft = EntryContent.model_validate(session.scalars(select(Draft.content)).one())
        was = EntryContent.model_validate(session.scalars(select(Revision.content)).one())
    assert [one.length for one in draft.attachments] == [len(SOUND) + 4, len(PAPER)]
    assert draft.media != was.media


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("../../outside.mp3", "outside of the tree"), ("https://else.example/a.mp3", "outside of the tree"),
        ("audio/boot.mp3", "did you mean boat.mp3"), ("nothing.pdf", "put the file"), ("audio", "cannot be read"),
        ("last.md", "use MP3"), ("empty.pdf", "use MP3"), ("big.pdf", "SYNDICATION_ATTACHMENT_MAX_BYTES"),
        ("a\0b", "is not the path"), ("big.pdf" * 90, "is not the path|cannot be read"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(tree: Path, file: str, says: str) -> None:
    (tree.parent / "outside.mp3").write_bytes(SOUND)
    (tree / "boats/empty.pdf").write_bytes(b"")
    (tree / "boats/big.pdf").write_bytes(b"%PDF-" + bytes(9_000))
    with pytest.raises(BadInput, match=says):
        attach([Attached(file=file)], tree / "boats", tree, "boats/last.md", max_bytes=8_000)


def test_one_file_named_twice_is_one(tree: Path) -> None:
    found = attach([Attached(file="audio/boat.mp3")] * 2, tree / "boats", tree, "x", max_bytes=10**6)
    assert len(found.attachments) == len(found.files) == 1


def test_a_mistake_in_the_front_matter_is_named(db: Database, tree: Path) -> None:
    for wrong, says in (
        ("attachments: [{path: a.mp3}]", "each may have file and title"),
        ("attachment: a.mp3", "did you mean attachments"),
    ):
        (tree / "boats/last.md").write_text(f"---\ntitle: T\n{wrong}\n---\nText.\n")
        [failure] = import_paths(db, [tree], settings=Settings()).failures
        assert says in failure.remedy
        assert failure.line == 3


@pytest.mark.parametrize(
    ("data", "ext"),
    [
        (SOUND, "mp3"), (b"\xff\xfb\x90\x00", "mp3"), (b"\x00\x00\x00\x20ftypM4A ", "m4a"),
        (b"\x00\x00\x00\x20ftypisom", "mp4"), (b"OggS\x00", "ogg"),
        (b"\x1a\x45\xdf\xa3", "webm"), (PAPER, "pdf"), (b"<html>", None), (b"", None), (b"MZ", None),
        (b"\xff\xd8\xff\xe0", None),
    ],
)  # fmt: skip
def test_a_file_is_what_its_bytes_say(data: bytes, ext: str | None) -> None:
    assert kind_of(data) == ext
