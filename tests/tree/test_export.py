"""The public side as files: the same bytes as the service, only what changed is touched, what was taken back is gone."""

from __future__ import annotations

import fcntl
import gzip
import os
from datetime import timedelta
from pathlib import Path

import brotli
import orjson
import pytest
from sqlalchemy import update

from syndication import clock, publishing
from syndication.cli.main import build
from syndication.content import MediaFile
from syndication.errors import Conflict, NeedsHuman
from syndication.feeds.artifacts import ensure_feed
from syndication.feeds.owing import render_owed
from syndication.ledger.content import Entry, Feed, Publication, Series
from syndication.renaming import rename_entry, rename_series
from syndication.tree import export as exporting
from syndication.tree.directory import file_of
from syndication.tree.export import export, nginx_map
from syndication.web import shown
from syndication.wiring import Wiring
from tests.intake.test_images import saved
from tests.web.web_world import BASE, NewEntry, browser, redraft

Tree = dict[str, tuple[bytes, int]]


def tree_of(root: Path) -> Tree:
    """file → (bytes, nanoseconds of its date), without what the export keeps for itself."""
    files = [f for f in root.rglob("*") if f.is_file() and ".syndication" not in f.parts]
    return {f.relative_to(root).as_posix(): (f.read_bytes(), f.stat().st_mtime_ns) for f in files}


def changes(before: Tree, after: Tree) -> set[str]:
    """Documents that differ, by the name of their identity form."""
    names = {name for name in before | after if before.get(name) != after.get(name)}
    return {name.removesuffix(".br").removesuffix(".gz") for name in names}


def image(colour: int) -> MediaFile:
    data = saved("PNG", size=(11, colour))
    return MediaFile(sha256=f"{colour:064x}", ext="png", width=11, height=colour, data=data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def test_every_file_is_what_the_service_says(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    ids = [new_entry(f"e{n}", part=n + 1, draft=True) for n in range(45)]  # so many that a feed has an archive
    publishing.publish(wiring.db, BASE, ids)
    done = export(wiring, root)
    paths = orjson.loads((root / ".syndication/headers.json").read_bytes())["paths"]
    assert done.documents == len(paths) > 60
    assert any("/archive/" in path for path in paths)
    with browser(wiring) as client:
        for path, said in paths.items():
            for coding, name in {"identity": said["file"], **said["twins"]}.items():
                answer = client.get(path, headers={"accept-encoding": coding})
                data = (root / name).read_bytes()
                decoded = {"gzip": gzip.decompress, "br": brotli.decompress}.get(coding, bytes)(data)
                assert answer.content == decoded, (path, coding)
                if answer.headers.get("content-encoding") == coding:
                    assert int(answer.headers["content-length"]) == len(data), (path, coding)
                for header in ("content-type", "cache-control", "link", "content-security-policy"):
                    assert answer.headers.get(header) == said["headers"].get(header), (path, header)
        for path in (
            "/",
            "/series/ferries/",
            "/series/ferries/e3/",
            "/feeds/all.rss",
            "/feeds.opml",
            "/static/site.css",
        ):
            assert path in paths
            assert set(paths[path]["twins"]) == {"gzip", "br"}, path


def test_a_publish_touches_only_what_shows_it(
    wiring: Wiring, new_entry: NewEntry, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "A_PAGE", 3)
    monkeypatch.setattr("syndication.tree.standing.A_PAGE", 3)
    for n in range(4):
        new_entry(f"flood{n}", "floods")
        new_entry(f"ferry{n}", "ferries", part=n + 1)
    export(wiring, root)
    before = tree_of(root)
    assert export(wiring, root).asked == 0
    assert tree_of(root) == before

    new_entry("ferry9", "ferries", part=9)
    done = export(wiring, root)
    after = tree_of(root)
    assert changes(before, after) == {
        "index.html", "series/ferries/page/2/index.html",
        "series/ferries/ferry9/index.html", "series/ferries/ferry3/index.html",
        *(f"feeds/{name}{end}" for name in ("all", "ferries") for end in (".rss", ".atom", ".json", "/index.html")),
    }  # fmt: skip
    assert done.asked == 12
    for name in changes(before, after) & set(before):
        assert after[name][1] >= before[name][1] + 10**9, name
    assert max(date for _, date in after.values()) <= clock.now().timestamp() * 1e9


def test_a_template_or_a_name_changes_every_page_and_equal_bytes_stay(
    wiring: Wiring, new_entry: NewEntry, root: Path
) -> None:
    new_entry("tides")
    export(wiring, root)
    before = tree_of(root)
    with wiring.db.transaction() as session:
        session.execute(update(Publication).values(postal_address="1 Quay, Porto"))
    done = export(wiring, root)
    assert done.asked >= 5
    changed = changes(before, tree_of(root))
    assert {"index.html", "series/ferries/tides/index.html", "series/floods/index.html"} <= changed
    assert {name for name in changed if name.startswith(("feeds", "robots", "static"))} == {
        "feeds/all/index.html", "feeds/ferries/index.html", "feeds/floods/index.html"
    }  # fmt: skip


def test_a_correction_changes_the_page_its_neighbours_and_the_archive(
    wiring: Wiring, new_entry: NewEntry, root: Path
) -> None:
    ids = [new_entry(f"e{n}", part=n + 1, draft=True) for n in range(45)]
    publishing.publish(wiring.db, BASE, ids)
    export(wiring, root)
    before = tree_of(root)
    with wiring.db.transaction() as session:
        redraft(session, ids[2], title="On storms")
    publishing.correct(wiring.db, BASE, ids[2], summary="The title.")
    export(wiring, root)
    after = tree_of(root)
    pages = {f"series/ferries/e{n}/index.html" for n in (1, 2, 3)}
    assert pages <= changes(before, after)
    assert "series/ferries/e7/index.html" not in changes(before, after)
    old, new = ({n for n in tree if "/archive/" in n} for tree in (before, after))
    assert old
    assert not old & new  # each page of the archive has another address
    assert not [name for name, (body, _) in after.items() if b"On e2<" in body]


def test_what_was_withdrawn_is_in_no_file(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    shown_image = {"sha256": f"{7:064x}", "ext": "png", "width": 11, "height": 7, "alt": "A quay"}
    body = f'<p>Zanzibar.</p><p><img src="media:{7:064x}.png" alt="A quay"></p>'
    secret = new_entry("zanzibar", media=image(7), images=[shown_image], body_html=body)
    new_entry("tides")
    export(wiring, root)
    assert f"media/{7:064x}.png" in tree_of(root)
    publishing.withdraw(wiring.db, BASE, secret, reason="It was wrong.")
    done = export(wiring, root)
    assert done.withdrawn == 1
    assert not (root / "series/ferries/zanzibar").exists()
    kept = (root / ".syndication/gone/series/ferries/zanzibar/index.html").read_text()
    assert "It was wrong." in kept
    paths = orjson.loads((root / ".syndication/headers.json").read_bytes())["paths"]
    assert paths["/series/ferries/zanzibar/"]["status"] == 410
    assert not any(name.startswith("media/") for name in tree_of(root))
    # A feed still shows that it was withdrawn, and nothing of its text.
    assert not [name for name, (body, _) in tree_of(root).items() if b"Zanzibar." in body]

    with wiring.db.transaction() as session:
        redraft(session, secret, title="On gales")
    publishing.publish(wiring.db, BASE, [secret])
    export(wiring, root)
    assert "On gales" in (root / "series/ferries/zanzibar/index.html").read_text()
    assert not (root / ".syndication/gone").exists()


def test_nothing_private_or_embargoed(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides")
    render_owed(wiring.db, BASE)
    export(wiring, root)
    before = tree_of(root)
    hidden = new_entry("zanzibar", title="Zanzibar", draft=True)
    with wiring.db.transaction() as session:
        entry = session.get_one(Entry, hidden)
        entry.state, entry.scheduled_at = "scheduled", clock.now() + timedelta(days=1)
        ensure_feed(session, session.get_one(Publication, 1), "scope-1", "scope", [1], private=True)
    render_owed(wiring.db, BASE)
    export(wiring, root)
    assert tree_of(root) == before
    everything = b"".join(f.read_bytes() for f in root.rglob("*") if f.is_file())
    assert b"anzibar" not in everything
    assert b"scope-1" not in everything


def test_a_feed_that_ended(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides", "floods")
    export(wiring, root)
    with wiring.db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(gone=True))
    export(wiring, root)
    assert not list(root.glob("feeds/floods.*"))
    assert (root / ".syndication/gone/feeds/floods.rss").read_text() == "This feed has ended.\n"
    assert "floods.atom" not in (root / "feeds.opml").read_text()


def test_an_ended_feed_that_leads_elsewhere_later(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides", "floods")
    for instead, status in (("", 410), ("all", 301), ("", 410)):
        with wiring.db.transaction() as session:
            session.execute(update(Feed).where(Feed.name == "floods").values(gone=True, moved_to=instead))
        export(wiring, root)
        paths = orjson.loads((root / ".syndication/headers.json").read_bytes())["paths"]
        assert paths["/feeds/floods.rss"]["status"] == status
        assert (root / ".syndication/gone/feeds/floods.rss").exists() == (status == 410)


def test_other_slugs_lead_from_the_old_files_to_the_new(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    ids = [new_entry(f"e{n}", part=n + 1) for n in range(3)]
    publishing.withdraw(wiring.db, BASE, ids[2], reason="It was wrong.")
    export(wiring, root)
    with wiring.db.transaction() as session:
        rename_entry(session, session.get_one(Entry, ids[0]), "first")
        rename_series(session, session.get_one(Series, 1), "slow-boats")
        rename_entry(session, session.get_one(Entry, ids[1]), "second")
    publishing.catch_up(wiring.db, BASE)
    export(wiring, root)
    assert not [name for name in tree_of(root) if "ferries" in name]
    paths = orjson.loads((root / ".syndication/headers.json").read_bytes())["paths"]
    moved = {path: said["headers"] for path, said in paths.items() if said["status"] == 301}
    assert {
        "/series/ferries/", "/series/ferries/e0/", "/series/ferries/e1/", "/series/ferries/e2/", "/series/slow-boats/e0/",
        "/series/slow-boats/e1/", "/feeds/ferries/", *(f"/feeds/ferries.{fmt}" for fmt in ("rss", "atom", "json")),
    } <= moved.keys()  # fmt: skip
    with browser(wiring) as client:
        for path, headers in moved.items():
            answer = client.get(path)
            assert answer.status_code == 301, path
            assert {name: answer.headers[name] for name in headers} == headers, path
    assert export(wiring, root).asked == 0
    whole = root.parent / "whole"
    export(wiring, whole)
    assert tree_of(root).keys() == tree_of(whole).keys()


@pytest.mark.parametrize("after", [0, 1, 3, 8, 15])
def test_killed_in_the_middle_it_goes_on(
    wiring: Wiring, new_entry: NewEntry, root: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Whatever stands is whole, and what a killed export wrote is known to the next: nothing withdrawn survives."""
    doomed = new_entry("doomed")
    new_entry("tides")
    put = exporting.Directory.put
    count = iter(range(10_000))

    def dies(*args: object) -> object:
        if next(count) == after:
            raise KeyboardInterrupt
        return put(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(exporting.Directory, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            export(wiring, root)
    for name, (body, _) in tree_of(root).items():
        if name + ".gz" in tree_of(root):
            assert gzip.decompress(tree_of(root)[name + ".gz"][0]) == body
    publishing.withdraw(wiring.db, BASE, doomed, reason="Wrong.")
    export(wiring, root)
    whole = root.parent / "whole"
    export(wiring, whole)
    here, there = tree_of(root), tree_of(whole)
    assert {n: body for n, (body, _) in here.items()} == {n: body for n, (body, _) in there.items()}
    assert not (root / ".syndication/planned.json").exists()


def test_what_somebody_else_put_there_stays(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides")
    export(wiring, root)
    (root / ".well-known").mkdir()
    (root / ".well-known/security.txt").write_text("Contact: mailto:a@t.example\n")
    (root / "series/ferries/tides/index.html").write_text("scribbled over")
    new_entry("storms")
    export(wiring, root)
    assert (root / ".well-known/security.txt").exists()
    assert "On tides" in (root / "series/ferries/tides/index.html").read_text()


def test_a_directory_of_somebody_else_is_refused(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides")
    root.mkdir()
    (root / "letter.txt").write_text("mine")
    with pytest.raises(Conflict, match="no export wrote"):
        export(wiring, root)
    assert os.listdir(root) == ["letter.txt"]
    with pytest.raises(Conflict, match="no directory"):
        export(wiring, root / "letter.txt")
    own = root.parent / "own"
    export(wiring, own)
    with (own / ".syndication/lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another export"):
            export(wiring, own)
    (own / ".syndication/state.json").write_text("[")
    with pytest.raises(Conflict, match="damaged"):
        export(wiring, own)


def test_feeds_of_another_address_are_not_exported(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides")
    object.__setattr__(wiring, "base_url", "https://elsewhere.example")
    with pytest.raises(NeedsHuman, match=r"made for http://127\.0\.0\.1:8000"):
        export(wiring, root)
    assert not root.exists()


@pytest.mark.sqlite_only
def test_entries_that_the_publisher_shows_are_moved(wiring: Wiring, new_entry: NewEntry, root: Path) -> None:
    new_entry("tides", canonical_url="https://tideway.example/tides")
    with wiring.db.transaction() as session:
        session.execute(update(Publication).values(pages=False))
    export(wiring, root)
    paths = orjson.loads((root / ".syndication/headers.json").read_bytes())["paths"]
    assert paths["/series/ferries/tides/"]["status"] == 302
    assert paths["/series/ferries/tides/"]["headers"]["location"] == "https://tideway.example/tides"
    assert not (root / "series/ferries/tides").exists()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("order", ["part", "newest"])
def test_keys_follow_the_order_of_the_pages(
    wiring: Wiring, new_entry: NewEntry, root: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is published wherever in a series: an export of changes is what an export from nothing is."""
    monkeypatch.setattr(shown, "A_PAGE", 2)
    monkeypatch.setattr("syndication.tree.standing.A_PAGE", 2)
    with wiring.db.transaction() as session:
        session.execute(update(Series).values(order=order))
    now = clock.now()
    for n, (part, days) in enumerate([(3, 1), (1, 9), (None, 5), (2, 3), (None, 7), (9, 0)]):
        new_entry(f"e{n}", part=part, published_at=now - timedelta(days=days))
        export(wiring, root)
    whole = root.parent / "whole"
    export(wiring, whole)
    assert {n: b for n, (b, _) in tree_of(root).items()} == {n: b for n, (b, _) in tree_of(whole).items()}


def test_no_name_leaves_the_tree() -> None:
    assert file_of("/") == "index.html"
    assert file_of("/series/a/") == "series/a/index.html"
    for path in ("/../x", "/series/../../x", "/.syndication/state.json", "//etc", "/a/./b", "/a\x00b"):
        with pytest.raises(NeedsHuman):
            file_of(path)


def test_a_hostile_address_stays_inside_its_quotes() -> None:
    text = nginx_map("https://x'; return 200 '$host\"", ("https://hub.example/\n}",), [("/a/", "/b/")])
    assert text.count("'") == 14
    assert "$host" not in text
    assert len(text.splitlines()) == 7


def test_the_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build("export")(["export", "--help"])
    assert "headers.json" in capsys.readouterr().out
