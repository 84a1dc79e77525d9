"""Documents of every form come in whole, once, and safe; each bad one is named with its reason and remedy."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Picture

from syndication import publishing
from syndication.content import EntryContent
from syndication.feeds.disclaimers import STANDARD, count_html, render_notice
from syndication.intake.importer import import_paths
from syndication.intake.report import ImportReport
from syndication.ledger.content import Draft, Entry, Feed, Media, Notice, Publication
from syndication.ledger.db import Database
from syndication.ledger.lookup import content_of
from syndication.settings import Settings

BASE = "http://127.0.0.1:8000"
SEED = Path(__file__).parents[2] / ".." / "shared" / "seed"
NOTICE, _ = render_notice(STANDARD["en"], name="Harbour Office", supporters_url="https://h.example/s")
OLDER = (
    "The positions of Harbour Office are independent, and the findings and conclusions presented are those of Harbour "
    "Office alone."
)
PLAIN = f"""Slow boats

Why the ferry is late.

Part of a Series

First paragraph, with “quotes” & signs.

Second paragraph
goes on.

For more on this topic please see:

Tide tables https://h.example/tides
Fares, a history

{NOTICE}

Explore The Series
"""


def write(tree: Path, name: str, text: str | bytes) -> Path:
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "a tree"
    write(
        tree,
        "publication.toml",
        '[publication]\nslug="harbour"\nname="Harbour Office"\nurl="https://h.example"\ntimezone="Europe/Lisbon"\n'
        'supporters_url="https://h.example/s"\ndefault_series="boats"\n[disclaimer.de]\n',
    )
    write(tree, "boats/series.toml", 'title = "Boats"\norder = "part"\n')
    return tree


def take(db: Database, *paths: Path, **options: object) -> ImportReport:
    return import_paths(db, paths, settings=Settings(document_max_bytes=100_000, image_max_bytes=50_000), **options)  # type: ignore[arg-type]


def content(db: Database, entry_id: int) -> EntryContent:
    with db.reading() as session:
        return content_of(session.get_one(Draft, entry_id))


def png(width: int = 4, kind: str = "PNG") -> bytes:
    out = BytesIO()
    Picture.new("RGB", (width, 3), "teal").save(out, kind)
    return out.getvalue()


def test_the_plain_form_and_its_marks(db: Database, tree: Path) -> None:
    write(tree, "boats/slow.txt", PLAIN)
    (entry,) = take(db, tree).created
    got = content(db, entry.entry_id)
    assert (entry.series, entry.slug, got.title, got.standfirst) == (
        "boats",
        "slow",
        "Slow boats",
        "Why the ferry is late.",
    )
    assert got.body_html == ("<p>First paragraph, with “quotes” &amp; signs.</p>\n<p>Second paragraph goes on.</p>")
    assert [(r.title, r.url) for r in got.related] == [
        ("Tide tables", "https://h.example/tides"),
        ("Fares, a history", None),
    ]


@pytest.mark.parametrize(
    "notice",
    [
        NOTICE,
        NOTICE.replace(" ", "  ").replace("independent", "\nindependent"),
        NOTICE.upper(),
        NOTICE.replace(". ", ".\n\n"),
        OLDER,
        render_notice(STANDARD["de"], name="Harbour Office")[0],
        render_notice(STANDARD["fr"], name="The Harbour Office")[0],
    ],
)
def test_the_notice_is_taken_out_however_it_is_written(db: Database, tree: Path, notice: str) -> None:
    write(tree, "boats/slow.txt", PLAIN.replace(NOTICE, notice))
    (entry,) = take(db, tree).created
    got = content(db, entry.entry_id)
    assert "independent" not in got.body_html.casefold()
    assert len(got.related) == 2
    publishing.publish(db, BASE, [entry.entry_id])


def test_anothers_notice_stops_the_file_and_a_quoted_one_too(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", PLAIN.replace("Harbour Office", "Inland Board"))
    write(tree, "boats/b.txt", PLAIN.replace("Second paragraph", NOTICE + " Second"))
    write(tree, "boats/c.txt", PLAIN)
    report = take(db, tree)
    assert [e.slug for e in report.created] == ["c"]
    first, second = report.failures
    assert "notice of Inland Board, the publication is Harbour Office" in first.reason
    assert first.remedy
    assert "paragraph 4" in second.reason


def test_markdown_with_front_matter(db: Database, tree: Path) -> None:
    write(tree, "boats/images/b.png", png())
    write(
        tree,
        "boats/fares.md",
        "---\nid: fares-2026\ntitle: 'Fares: a history'\nauthors: [Ana Ré, {name: Bo, url: 'https://h.example/bo'}]\n"
        "published: 2026-02-01 09:00\ntopics: [fares]\nnotes: The author advises a ferry company.\nlanguage: de\npart: 3\n---\n"
        "Text with a note.[^1]\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<figure><img src='images/b.png' alt='A boat'>"
        "<figcaption>At sea <small>Drawn by us</small></figcaption></figure>\n\n[^1]: The note.\n\n" + NOTICE,
    )
    (entry,) = take(db, tree).created
    got = content(db, entry.entry_id)
    assert [a.name for a in got.authors] == ["Ana Ré", "Bo"]
    assert got.notes == ("The author advises a ferry company.",)
    assert "<table>" in got.body_html
    assert 'href="#e-fn1"' in got.body_html
    assert "<p>The note." in got.body_html
    (image,) = got.images
    assert (image.alt, image.caption, image.credit, image.width) == ("A boat", "At sea", "Drawn by us", 4)
    assert f'src="media:{image.name}"' in got.body_html
    assert "independent" not in got.body_html
    with db.reading() as session:
        row = session.get_one(Entry, entry.entry_id)
        assert (row.identity, row.part) == ("id:fares-2026", 3)
        draft = session.get_one(Draft, entry.entry_id)
        assert draft.published_at is not None
        assert draft.published_at.isoformat() == "2026-02-01T09:00:00+00:00"
        assert session.get_one(Media, image.sha256).data == png()


def test_html_is_read_and_made_safe(db: Database, tree: Path) -> None:
    write(
        tree,
        "boats/page.html",
        "<html lang=en><head><title>Page</title><meta name=author content='Ana'><meta name=description content='Why'></head>"
        "<body><nav>Menu</nav><article><h1>Real title</h1><p onclick=evil()>Text <a href='javascript:evil()'>x</a> "
        "<a href='/about'>about</a></p><script>evil()</script><p style='color:red'>More <svg onload=evil()></svg></p>"
        "<img src='https://elsewhere.example/track.gif' alt='Spy'>" + f"<p>{NOTICE}</p></article></body></html>",
    )
    report = take(db, tree)
    got = content(db, report.created[0].entry_id)
    assert (got.title, got.standfirst, got.authors[0].name) == ("Real title", "Why", "Ana")
    for evil in ("evil", "onclick", "style", "Menu", "track.gif", "svg"):
        assert evil not in got.body_html
    assert 'href="https://h.example/about"' in got.body_html
    assert any("not a file of the tree" in words for _, words in report.warnings)


@pytest.mark.parametrize("words", ["שלום עולם. זה טקסט.", "渡し船はいつも遅れる。", "Ça va œuvre naïve"])
def test_every_script_comes_through(db: Database, tree: Path, words: str) -> None:
    write(tree, "boats/t.txt", f"{words}\n\nPart of a Series\n\n{words}")
    (entry,) = take(db, tree).created
    assert content(db, entry.entry_id).title == words


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (b"\x00\x01\x02PNG", "binary"),
        ("Über\n\nTöxt".encode("latin-1"), "not UTF-8"),
        (b"a" * 100_001, "100,001 bytes"),
        (b"x" * 400 + b"\n\nmore", "no title"),
        (b"Only a title", "no text"),
    ],
)
def test_what_cannot_be_a_document_is_named_and_the_rest_goes_in(
    db: Database, tree: Path, data: bytes, reason: str
) -> None:
    write(tree, "boats/bad.txt", data)
    write(tree, "boats/good.txt", PLAIN)
    report = take(db, tree)
    (failure,) = report.failures
    assert "boats/bad.txt" in failure.source
    assert reason in failure.reason
    assert failure.remedy
    assert [e.slug for e in report.created] == ["good"]


def test_marks_of_other_systems_are_no_obstacle(db: Database, tree: Path) -> None:
    write(tree, "boats/bom.txt", b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode())
    write(tree, "boats/wide.txt", PLAIN.encode("utf-16"))
    write(tree, "boats/control.txt", PLAIN.replace("First", "Fi\x08rst"))
    report = take(db, tree)
    assert not report.failures
    assert {content(db, e.entry_id).title for e in report.created} == {"Slow boats"}
    assert [words for _, words in report.warnings] == ["1 control character was taken out"]


def test_nothing_leaves_the_tree(db: Database, tree: Path, tmp_path: Path) -> None:
    write(tmp_path, "secret.png", png())
    secret = write(tmp_path, "secret.txt", PLAIN)
    write(tree, "boats/dots.md", "---\ntitle: Dots\n---\n![x](../../secret.png)")
    (tree / "boats/link.png").symlink_to(tmp_path / "secret.png")
    write(tree, "boats/linked.md", "---\ntitle: Linked\n---\n![x](link.png)")
    (tree / "boats/away.txt").symlink_to(secret)
    reasons = {f.source: f.reason for f in take(db, tree).failures}
    assert len(reasons) == 3
    assert "outside of the tree" in reasons["boats/dots.md"]
    assert "outside of the tree" in reasons["boats/linked.md"]
    assert "leaves the tree" in reasons["boats/away.txt"]


@pytest.mark.parametrize(
    ("data", "reason"), [(b"no image", "not an image"), (b"x" * 50_001, "50,001 bytes"), (png(kind="BMP"), "BMP")]
)
def test_images_are_checked(db: Database, tree: Path, data: bytes, reason: str) -> None:
    write(tree, "boats/i.png", data)
    write(tree, "boats/a.md", "---\ntitle: A\n---\n![x](i.png)")
    (failure,) = take(db, tree).failures
    assert reason in failure.reason
    assert "i.png" in failure.source


def test_importing_twice_changes_nothing_and_a_moved_file_keeps_its_entry(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", PLAIN)
    (first,) = take(db, tree).created
    assert [e.act for e in take(db, tree).entries] == ["unchanged"]
    (tree / "boats/a.txt").rename(tree / "boats/b.txt")
    (moved,) = take(db, tree).entries
    assert (moved.entry_id, moved.slug) == (first.entry_id, "b")
    write(tree, "boats/b.txt", PLAIN.replace("First", "Changed first"))
    (changed,) = take(db, tree).entries
    assert (changed.entry_id, changed.act) == (first.entry_id, "changed")


def test_a_changed_source_of_a_published_entry_waits(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", PLAIN)
    (first,) = take(db, tree).created
    publishing.publish(db, BASE, [first.entry_id])
    write(tree, "boats/a.txt", PLAIN.replace("First", "Corrected first"))
    (waiting,) = take(db, tree).entries
    assert (waiting.act, waiting.entry_id) == ("waiting", first.entry_id)
    with db.reading() as session:
        row = session.get_one(Entry, first.entry_id)
        assert row.revision is not None
        assert "Corrected" not in content_of(row.revision).body_html
    publishing.correct(db, BASE, first.entry_id)
    assert [e.act for e in take(db, tree).entries] == ["unchanged"]


def test_moved_and_changed_is_a_new_entry_with_a_warning_unless_named(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", PLAIN)
    (first,) = take(db, tree).created
    publishing.publish(db, BASE, [first.entry_id])
    (tree / "boats/a.txt").unlink()
    other = write(tree, "boats/b.txt", PLAIN.replace("First", "Other"))
    (named,) = take(db, other, as_identity=str(first.entry_id)).entries
    assert (named.entry_id, named.act) == (first.entry_id, "waiting")
    other.unlink()
    write(tree, "boats/c.txt", PLAIN.replace("First", "Third"))
    report = take(db, tree)
    assert report.created[0].entry_id != first.entry_id
    assert any("--as" in words for _, words in report.warnings)


def test_two_entries_with_one_slug(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", PLAIN)
    write(tree, "boats/b.md", "---\ntitle: B\nslug: a\n---\nText")
    (failure,) = take(db, tree).failures
    assert "slug 'a'" in failure.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("titel: x", "'titel'"),
        ("part: three", "part"),
        ("title: [", "not YAML"),
        ("canonical_url: nowhere", "canonical_url"),
    ],
)
def test_front_matter_errors_name_the_key(db: Database, tree: Path, line: str, reason: str) -> None:
    write(tree, "boats/a.md", f"---\ntitle: A\n{line}\n---\nText")
    (failure,) = take(db, tree).failures
    assert reason in failure.reason
    assert failure.remedy


def test_a_lone_file_goes_to_the_default_series_and_a_scheduled_one_waits(
    db: Database, tree: Path, tmp_path: Path
) -> None:
    take(db, tree)
    lone = write(tmp_path, "elsewhere/lone.txt", PLAIN)
    (entry,) = take(db, lone).created
    assert (entry.series, entry.slug) == ("boats", "slow-boats")
    write(tree, "boats/later.md", "---\ntitle: Later\npublish_at: 2031-03-04T09:00:00Z\n---\nText")
    (later,) = take(db, tree).created
    with db.reading() as session:
        assert session.get_one(Entry, later.entry_id).state == "scheduled"


def test_a_ledger_has_one_publication_and_its_file_is_checked(db: Database, tree: Path) -> None:
    take(db, tree)
    with db.reading() as session:
        assert {n.language for n in session.query(Notice)} == {"en", "de"}
        assert {f.name for f in session.query(Feed)} == {"all", "boats"}
        assert session.query(Publication).one().tag_authority == "h.example"
    file = tree / "publication.toml"
    good = file.read_text()
    for change, reason in (
        (("harbour", "other"), "belongs to harbour"),
        (("Europe/Lisbon", "Europe/Atlantis"), "time zone"),
        (("timezone", "timezoen"), "timezoen"),
        (("[publication]", "[publication"), "TOML"),
    ):
        file.write_text(good.replace(*change))
        (failure,) = take(db, tree).failures
        assert reason in failure.reason
        assert "publication.toml" in failure.source


def test_a_new_wording_of_the_notice_renders_every_feed_anew(db: Database, tree: Path) -> None:
    write(tree, "boats/a.txt", PLAIN)
    (first,) = take(db, tree).created
    publishing.publish(db, BASE, [first.entry_id])
    file = tree / "publication.toml"
    file.write_text(
        file.read_text() + '[disclaimer.en]\ntext = "{{ name }} speaks for itself and for nobody else at all."\n'
    )
    take(db, tree)
    with db.reading() as session:
        assert all(f.rendered_seq < f.wanted_seq for f in session.query(Feed))


@pytest.mark.skipif(not SEED.is_dir(), reason="the publisher's document lies outside of the project and is not here")
def test_the_publishers_own_document(db: Database, tree: Path) -> None:
    file = tree / "publication.toml"
    file.write_text(file.read_text().replace("Harbour Office", "American Progress"))
    for document in SEED.glob("*.txt"):
        write(tree, f"boats/{document.name}", document.read_bytes())
    report = take(db, tree)
    assert not report.failures
    (entry,) = report.created
    got = content(db, entry.entry_id)
    assert got.title.startswith("Reining In")
    assert got.standfirst.startswith("If DHS fails")
    assert got.related == ()
    assert got.body_html.startswith("<p>&quot;A Better") or got.body_html.startswith('<p>"A Better')
    for mark in ("Part of a Series", "Explore The Series", "For more on this topic", "acknowledge"):
        assert mark not in got.body_html
    publishing.publish(db, BASE, [entry.entry_id])
    with db.reading() as session:
        text = session.query(Notice).filter_by(language="en").one().text
    assert count_html(got.body_html, text) == 0
