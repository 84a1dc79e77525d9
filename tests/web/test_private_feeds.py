"""Private feeds: what a token opens, what it does not, and what guessing brings."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from syndication import defining
from syndication.defining import Definition
from syndication.ledger.content import Publication
from syndication.sweeping import do
from syndication.web import private_feeds
from syndication.wiring import Wiring
from tests.web.web_world import NewEntry, browser


@pytest.fixture
def tokens(wiring: Wiring, new_entry: NewEntry) -> dict[str, str]:
    """Of the private feeds `board` and `staff`."""
    new_entry("tides")
    found = {}
    with wiring.db.transaction() as session:
        for name in ("board", "staff"):
            feed = defining.define(session, session.get_one(Publication, 1), Definition(name, name, private=True))
            found[name] = defining.new_token(session, feed)
    do(wiring, "publish.render_owed")
    return found


def status(client: TestClient, path: str, token: str = "") -> int:
    return client.get(path, headers={"authorization": f"Bearer {token}"} if token else {}).status_code


def test_a_token_opens_its_own_feed_alone(client: TestClient, tokens: dict[str, str]) -> None:
    assert status(client, "/feeds/private/board.atom", tokens["board"]) == 200
    assert status(client, "/feeds/private/board.atom", tokens["staff"]) == 401
    assert status(client, "/feeds/private/nothing.atom", tokens["staff"]) == 401
    assert status(client, "/feeds/private/board.xml", tokens["board"]) == 401
    assert status(client, f"/feeds/key/{tokens['board']}/feed.xml") == 404


def test_one_that_ended_says_so_to_who_has_its_token(
    wiring: Wiring, client: TestClient, tokens: dict[str, str]
) -> None:
    with wiring.db.transaction() as session:
        defining.end(session, defining.feed_named(session, "board"))
    assert status(client, "/feeds/private/board.atom", tokens["board"]) == 410
    assert status(client, f"/feeds/key/{tokens['board']}/feed.atom") == 410
    assert status(client, "/feeds/private/board.atom", "guess") == 401


def test_who_guesses_waits(wiring: Wiring, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_feeds, "KNOCKS", "3/minute")
    with browser(wiring) as client:
        guesses = [status(client, f"/feeds/key/guess{n}/feed.atom") for n in range(2)]
        guesses += [status(client, "/feeds/private/board.atom", f"guess{n}") for n in range(2)]
        assert guesses == [404, 404, 401, 429]
        refused = client.get("/feeds/key/guess/feed.atom")
        assert (refused.status_code, int(refused.headers["retry-after"])) == (429, 60)
        assert status(client, "/feeds/private/board.atom", tokens["board"]) == 200  # who has it does not guess
