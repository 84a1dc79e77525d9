"""Owed feeds: shared by all processes, each by one at a time; what a dead one had claimed is taken over."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import brotli
import pytest
from sqlalchemy import select, update

from syndication import clock, press, publishing, sweeping
from syndication.errors import NeedsHuman
from syndication.feeds import artifacts, owing
from syndication.ledger import attempts
from syndication.ledger.content import Artifact, Feed, Publication
from syndication.ledger.db import Database
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry

BASE = "http://127.0.0.1:8000"
MANY = 3 * owing.TOGETHER
KILLED = """
import signal, sys
from syndication.feeds import owing
from syndication.ledger.db import Database
url, base, where = sys.argv[1:]
real, calls = getattr(owing, where), []

def second_hangs(*args):
    calls.append(args)
    if len(calls) == 2:
        print("there", flush=True)
        signal.pause()
    return real(*args)

setattr(owing, where, second_hangs)
owing.render_owed(Database(url), base)
"""


@pytest.fixture
def feeds(db: Database, new_entry: NewEntry) -> dict[str, int]:
    """Name → id of so many feeds that all show one entry, and are owed."""
    publishing.publish(db, BASE, [new_entry("one")])
    publishing.catch_up(db, BASE)
    with db.transaction() as session:
        owner = session.get_one(Publication, 1)
        return {f"own-{n}": artifacts.ensure_feed(session, owner, f"own-{n}", "scope", [1]).id for n in range(MANY)}


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the feeds that were rendered, in order."""
    names: list[str] = []
    real = owing.render

    def note(session, publication, feed, base_url):  # type: ignore[no-untyped-def]
        names.append(feed.name)
        return real(session, publication, feed, base_url)

    monkeypatch.setattr(owing, "render", note)
    return names


def owed(db: Database) -> list[int]:
    with db.reading() as session:
        return owing.owed(session)


def test_two_processes_share_what_is_owed_and_never_render_the_same(
    db: Database, feeds: dict[str, int], rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=20)
    begun = threading.local()
    noting = owing.render

    def render(*args):  # type: ignore[no-untyped-def]
        if not hasattr(begun, "once"):
            begun.once = both.wait()  # each has claimed before either renders
        return noting(*args)

    monkeypatch.setattr(owing, "render", render)

    def process() -> int:
        own = Database(db.url)
        try:
            return owing.render_owed(own, BASE)
        finally:
            own.close()

    with ThreadPoolExecutor(2) as pool:
        shares = [share.result() for share in [pool.submit(process) for _ in range(2)]]
    assert sorted(rendered) == sorted(feeds)
    assert sum(shares) == MANY
    assert min(shares) >= owing.TOGETHER
    assert owed(db) == []


def test_what_a_dead_process_had_claimed_is_taken_over(
    db: Database, feeds: dict[str, int], rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owing, "render", killed)
        with pytest.raises(Killed):
            owing.render_owed(db, BASE)
    assert len(owed(db)) == MANY - owing.TOGETHER
    assert owing.render_owed(db, BASE) == MANY - owing.TOGETHER
    assert owing.render_owed(db, BASE) == 0  # it may live
    with clock.shifted(owing.LEASE + timedelta(seconds=1)):
        assert owing.render_owed(db, BASE) == owing.TOGETHER
    assert sorted(rendered) == sorted(feeds)
    with db.reading() as session:
        assert not attempts.unfinished(session, [attempts.named("feed", id_) for id_ in feeds.values()])


def shown(db: Database, feed_ids: list[int]) -> dict[int, list[tuple[str, ...]]]:
    """Of each feed in each format its items, newest first. All bytes are those that their ETag says."""
    found: dict[int, list[tuple[str, ...]]] = {}
    with db.reading() as session:
        for artifact in session.scalars(select(Artifact).where(Artifact.feed_id.in_(feed_ids))):
            body = gzip.decompress(artifact.gzip)
            assert brotli.decompress(artifact.brotli) == body
            assert hashlib.sha256(body).hexdigest().startswith(artifact.etag)
            items = re.findall(r"2026-01-01:(one|two)", body.decode())
            found.setdefault(artifact.feed_id, []).append(tuple(items))
    return found


@pytest.mark.parametrize("where", ["render", "store"])
def test_a_renderer_that_is_killed_leaves_whole_feeds_to_the_next(
    db: Database, feeds: dict[str, int], new_entry: NewEntry, where: str
) -> None:
    publishing.catch_up(db, BASE)
    publishing.publish(db, BASE, [new_entry("two")])
    mine = owed(db)
    assert set(mine) >= set(feeds.values())
    before, after = [("one",)] * 3, [("two", "one")] * 3
    with subprocess.Popen([sys.executable, "-c", KILLED, db.url, BASE, where], stdout=subprocess.PIPE) as dead:
        assert dead.stdout is not None
        assert dead.stdout.readline() == b"there\n"  # four are claimed; in `store`, one is written and not committed
        os.kill(dead.pid, signal.SIGKILL)
    taken, rest = mine[: owing.TOGETHER], mine[owing.TOGETHER :]
    assert shown(db, mine) == dict.fromkeys(mine, before)
    assert owing.render_owed(db, BASE) == len(rest)
    assert shown(db, mine) == dict.fromkeys(taken, before) | dict.fromkeys(rest, after)
    with clock.shifted(owing.LEASE + timedelta(seconds=1)):
        assert owing.render_owed(db, BASE) == len(taken)
    assert shown(db, mine) == dict.fromkeys(mine, after)
    with db.reading() as session:
        histories = session.scalars(select(Feed.history).where(Feed.id.in_(mine))).all()
    assert {len(history) for history in histories} == {2}  # each change came once


def test_a_feed_that_changes_while_it_is_rendered_is_rendered_again(
    db: Database, feeds: dict[str, int], rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noting = owing.render

    def render(session, publication, feed, base_url):  # type: ignore[no-untyped-def]
        if len(rendered) < 1:
            with db.transaction() as other:
                press.touch(other, 1)
        return noting(session, publication, feed, base_url)

    monkeypatch.setattr(owing, "render", render)
    publishing.catch_up(db, BASE)
    assert rendered.count(rendered[0]) == 2
    assert owed(db) == []


def test_one_that_cannot_be_rendered_holds_up_no_other_and_is_free_for_its_next_try(
    db: Database, feeds: dict[str, int], rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noting = owing.render

    def render(session, publication, feed, base_url):  # type: ignore[no-untyped-def]
        if feed.name == "own-1":
            raise NeedsHuman("it has no title;", remedy="give it one.")
        return noting(session, publication, feed, base_url)

    monkeypatch.setattr(owing, "render", render)
    assert owing.render_owed(db, BASE) == MANY - 1
    assert owed(db) == [feeds["own-1"]]
    monkeypatch.undo()
    assert owing.render_owed(db, BASE) == 1


def test_a_feed_that_ended_is_rendered_no_more(db: Database, feeds: dict[str, int], rendered: list[str]) -> None:
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "own-1").values(gone=True))
    assert owing.render_owed(db, BASE) == MANY - 1
    assert "own-1" not in rendered


def test_a_new_entry_does_not_wait_for_a_change_of_every_feed(db: Database, feeds: dict[str, int]) -> None:
    with db.transaction() as session:
        seq = press.touch(session, 1)
        for name, values in {
            "own-9": {"wanted_seq": seq + 1},
            "own-2": {"kind": "composed", "wanted_seq": seq + 1},
        }.items():
            session.execute(update(Feed).where(Feed.name == name).values(values))
    with db.reading() as session:
        names = {feed.id: feed.name for feed in session.query(Feed)}
        found = [names[id_] for id_ in owing.owed(session)]
    assert found[:2] == ["all", "own-9"]
    assert found[-1] == "own-2"


def test_who_finds_more_than_one_claim_takes_calls_another(db: Database, feeds: dict[str, int]) -> None:
    rung: list[str] = []
    wiring = Wiring(Settings(), BASE, "")
    wiring.__dict__["db"] = db
    db.ring = lambda name, *_: rung.append(name)
    sweeping.do(wiring, "publish.render_owed")
    assert rung.count("publish.render_owed") == 1
    rung.clear()
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "own-1").values(rendered_seq=-1))
    sweeping.do(wiring, "publish.render_owed")
    assert "publish.render_owed" not in rung
    assert owed(db) == []
