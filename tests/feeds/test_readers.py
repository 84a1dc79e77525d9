"""Real readers at a real web process: what they show, what they ask for again, what a correction and a withdrawal do to them.

newsboat and rss2email are Debian's; `reader` is the one of the four that reads JSON Feed; feedparser, which most readers in
Python have inside, is asked itself and led along the archive.
"""

from __future__ import annotations

import email
import email.policy
import html
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import feedparser
import pytest
from reader import make_reader

from syndication.embargo import publish_due
from syndication.feeds.disclaimers import count_html, count_text
from syndication.ledger import notices
from syndication.ledger.db import Database
from syndication.publishing import correct, publish, withdraw
from tests.publishing.conftest import NewEntry, redraft
from tests.sink import free_port
from tests.web.live import Live, serving

pytestmark = pytest.mark.sqlite_only
TITLES = ("Fares & tides", "2 < 3, said the “harbour”", "渡輪與潮汐")


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"there is no {name}: scripts/setup installs it", pytrace=False)
    return found


@pytest.fixture
def live(db: Database, db_url: str, tmp_path: Path, publication: int) -> Iterator[Live]:
    with serving(db_url, tmp_path / "var", free_port(), feed_check_seconds=0.01) as live:
        yield live


@pytest.fixture
def published(db: Database, live: Live, new_entry: NewEntry) -> list[int]:
    entries = [new_entry(f"e{n}", title=title, standfirst="In short.") for n, title in enumerate(TITLES)]
    publish(db, live.base, entries)
    return entries


@pytest.fixture
def notice(db: Database, published: list[int]) -> str:
    with db.reading() as session:
        return notices.current(session, 1, "en").text


def rewrite(db: Database, live: Live, entry: int, summary: str = "") -> None:
    with db.transaction() as session:
        redraft(session, entry, title="Fares and tides, corrected", body_html=f"<p>New words. {summary}</p>")
    correct(db, live.base, entry, summary, severity="correction" if summary else "typo")
    publish_due(db, live.base)


class Newsboat:
    """newsboat in a home of its own."""

    def __init__(self, home: Path, url: str) -> None:
        self._home = home
        home.mkdir()
        (home / "urls").write_text(f"{url}\n")
        (home / "config").write_text("auto-reload no\nreload-threads 1\n")

    def _run(self, *words: str) -> str:
        command = [
            tool("newsboat"),
            "-u",
            self._home / "urls",
            "-C",
            self._home / "config",
            "-c",
            self._home / "cache",
            "-x",
        ]
        ended = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=60, check=True,
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return ended.stdout

    def fetch(self) -> None:
        self._run("reload")

    def unread(self) -> int:
        return int(self._run("print-unread").split()[0])

    def read_all(self) -> None:
        with sqlite3.connect(self._home / "cache") as cache:
            cache.execute("UPDATE rss_item SET unread = 0")

    def items(self) -> dict[str, tuple[str, str, str]]:
        """guid → title, address, text of what it would show."""
        with sqlite3.connect(self._home / "cache") as cache:
            rows = cache.execute("SELECT guid, title, url, content FROM rss_item WHERE deleted = 0").fetchall()
        return {guid: (title, url, content) for guid, title, url, content in rows}


@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_newsboat(
    db: Database,
    live: Live,
    published: list[int],
    notice: str,
    tmp_path: Path,
    new_entry: NewEntry,
    fmt: str,
) -> None:
    path = f"/feeds/all.{fmt}"
    newsboat = Newsboat(tmp_path / "newsboat", live.base + path)
    newsboat.fetch()
    shown = newsboat.items()
    assert sorted(html.unescape(title) for title, _, _ in shown.values()) == sorted(TITLES)
    assert {url for _, url, _ in shown.values()} == {f"{live.base}/series/ferries/e{n}/" for n in range(len(TITLES))}
    for _, _, content in shown.values():
        assert "Water &amp; wind." in content
        assert count_html(content, notice) == 1
    assert newsboat.unread() == len(TITLES)
    newsboat.read_all()
    newsboat.fetch()
    newsboat.fetch()
    assert [one.status for one in live.asked(path)][-1] == 304
    assert newsboat.unread() == 0

    publish(db, live.base, [new_entry("late", title="A late one")])
    newsboat.fetch()
    assert newsboat.unread() == 1
    newsboat.read_all()
    shown = newsboat.items()
    assert "A late one" in [title for title, _, _ in shown.values()]

    rewrite(db, live, published[0])
    newsboat.fetch()
    again = newsboat.items()
    assert set(again) == set(shown)
    assert "Fares and tides, corrected" in [title for title, _, _ in again.values()]
    assert any("New words." in content for _, _, content in again.values())
    assert newsboat.unread() == 0  # it has the new text and does not look new

    withdraw(db, live.base, published[1])
    newsboat.fetch()
    assert newsboat.unread() == 0
    assert live.asked(path)[-1].status == 200
    newsboat.fetch()
    assert live.asked(path)[-1].status == 304

    rewrite(db, live, published[0], "The fare was wrong.")
    newsboat.fetch()
    assert newsboat.unread() == 1  # what tells of the correction
    assert "Correction: Fares and tides, corrected" in [title for title, _, _ in newsboat.items().values()]


@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_feedparser(
    db: Database,
    live: Live,
    published: list[int],
    new_entry: NewEntry,
    fmt: str,
) -> None:
    address = f"{live.base}/feeds/all.{fmt}"

    def fetch(etag: str | None = None, status: int = 200) -> feedparser.FeedParserDict:
        found = feedparser.parse(address, etag=etag)
        assert (found.status, found.bozo) == (status, False)
        return found

    first = fetch()
    assert sorted(html.unescape(entry.title) for entry in first.entries) == sorted(TITLES)
    assert fetch(first.etag, 304).entries == []

    publish(db, live.base, [new_entry("late", title="A late one")])
    second = fetch(first.etag)
    assert [entry.title for entry in second.entries if entry.id not in ids(first)] == ["A late one"]
    assert ids(first) < ids(second)

    rewrite(db, live, published[0])
    third = fetch(second.etag)
    assert ids(third) == ids(second)
    (before,), (after,) = ([e for e in found.entries if e.link.endswith("/e0/")] for found in (second, third))
    assert (after.title, before.id) == ("Fares and tides, corrected", after.id)
    assert after.published == before.published
    assert fmt == "rss" or after.updated > before.updated

    withdraw(db, live.base, published[1])
    fourth = fetch(third.etag)
    assert len(ids(third) - ids(fourth)) == 1
    assert not any(entry.link.endswith("/e1/") for entry in fourth.entries)

    publish(db, live.base, [new_entry(f"more{n}") for n in range(70)])
    chain = [fetch(fourth.etag)]
    while older := [link.href for link in chain[-1].feed.links if link.rel == "prev-archive"]:
        chain.append(feedparser.parse(older[0]))
        assert (chain[-1].status, chain[-1].bozo) == (200, False)
        assert [link.href for link in chain[-1].feed.links if link.rel == "current"] == [address]
    assert len(chain) > 2
    everything = [entry.id for found in chain for entry in found.entries]
    assert len(everything) == len(set(everything)) == 73
    assert ids(fourth) <= set(everything)
    assert live.asked(f"/feeds/all.{fmt}")[1].status == 304


def ids(found: feedparser.FeedParserDict) -> set[str]:
    return {entry.id for entry in found.entries}


@pytest.mark.parametrize("fmt", ["rss", "atom", "json"])
def test_reader(
    db: Database,
    live: Live,
    published: list[int],
    notice: str,
    new_entry: NewEntry,
    fmt: str,
) -> None:
    path = f"/feeds/all.{fmt}"
    reader = make_reader(":memory:")
    reader.add_feed(live.base + path)
    reader.update_feed(live.base + path)  # now, whatever its schedule says
    feed = reader.get_feed(live.base + path)
    assert (feed.title, feed.last_exception) == ("Tideway Institute", None)
    shown = {entry.id: entry for entry in reader.get_entries()}
    assert sorted(html.unescape(entry.title or "") for entry in shown.values()) == sorted(TITLES)
    for entry in shown.values():
        content = entry.get_content()
        assert content is not None
        assert count_html(content.value, notice) == 1
        reader.mark_entry_as_read(entry)
    reader.update_feed(live.base + path)  # now, whatever its schedule says
    assert live.asked(path)[-1].status == 304
    publish(db, live.base, [new_entry("late", title="A late one")])
    reader.update_feed(live.base + path)
    (late,) = reader.get_entries(read=False)
    assert late.title == "A late one"
    reader.mark_entry_as_read(late)
    shown[late.id] = late
    rewrite(db, live, published[0])
    withdraw(db, live.base, published[1])
    reader.update_feed(live.base + path)  # now, whatever its schedule says
    again = {entry.id: entry for entry in reader.get_entries()}
    assert set(again) == set(shown)
    assert all(entry.read for entry in again.values())
    assert "Fares and tides, corrected" in [entry.title for entry in again.values()]
    rewrite(db, live, published[0], "The fare was wrong.")
    reader.update_feed(live.base + path)
    assert [entry.title for entry in reader.get_entries(read=False)] == ["Correction: Fares and tides, corrected"]


@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_rss2email(
    db: Database,
    live: Live,
    published: list[int],
    notice: str,
    tmp_path: Path,
    new_entry: NewEntry,
    fmt: str,
) -> None:
    box = tmp_path / "box"
    for part in ("new", "cur", "tmp"):
        (box / part).mkdir(parents=True)
    config, data = tmp_path / "r2e.cfg", tmp_path / "r2e.json"

    def run(*words: str) -> None:
        command = [tool("r2e"), "-c", str(config), "-d", str(data), *words]
        subprocess.run(
            command, check=True, capture_output=True, timeout=60, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        )

    def mails() -> list[EmailMessage]:
        found = []
        for file in sorted((box / "new").iterdir()):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found

    run("new", "ana@example.org")
    text = config.read_text()
    for name, value in (("email-protocol", "maildir"), ("maildir-path", str(tmp_path)), ("maildir-mailbox", "box"),
                        ("html-mail", "True"), ("from", "r2e@example.org")):  # fmt: skip
        lines = [line for line in text.splitlines() if not line.startswith(f"{name} =")]
        text = "\n".join([*lines, f"{name} = {value}"]) + "\n"
    config.write_text(text)
    run("add", "tideway", f"{live.base}/feeds/all.{fmt}")
    run("run")
    assert len(mails()) == len(TITLES)
    for message in mails():
        body = message.get_body(("html", "plain"))
        assert body is not None
        count: Callable[[str, str], int] = count_html if body.get_content_subtype() == "html" else count_text
        assert count(body.get_content(), notice) == 1
    assert {html.unescape(str(m["subject"])) for m in mails()} >= {TITLES[0], TITLES[2]}
    run("run")
    assert live.asked(f"/feeds/all.{fmt}")[-1].status == 304
    rewrite(db, live, published[0])
    withdraw(db, live.base, published[1])
    run("run")
    assert len(mails()) == len(TITLES)  # nothing old comes back as new
    publish(db, live.base, [new_entry("late", title="A late one")])
    run("run")
    assert len(mails()) == len(TITLES) + 1
    rewrite(db, live, published[0], "The fare was wrong.")
    run("run")
    subjects = [str(m["subject"]) for m in mails()]
    assert len(subjects) == len(TITLES) + 2
    assert "Correction: Fares and tides, corrected" in subjects
