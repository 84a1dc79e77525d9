"""Who may pull: a token once shown and kept as a hash, Bearer and Basic, rotation, revoking, the capability address, limits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from syndication import clock
from syndication.errors import BadInput, Conflict, NotFound
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Feed, Partner
from syndication.partners import keys
from syndication.publishing import publish
from syndication.web.app import create_app
from syndication.web.partner_door import KNOCKS
from syndication.wiring import Wiring
from tests.partners.partner_world import BASE, add, token_of
from tests.publishing.conftest import NewEntry

ENTRIES = "/partners/v1/entries"


def test_a_token_is_nowhere_but_in_the_hand_of_the_partner(client: TestClient, db: Database) -> None:
    token = token_of(add(db, "Gazette"))
    assert len(token) >= 40
    with db.reading() as session:
        partner = session.scalars(select(Partner)).one()
    assert token not in str(vars(partner))
    assert len(partner.token_hash) == 64
    assert partner.capability_hash is None


def test_bearer_and_both_halves_of_basic(client: TestClient, db: Database) -> None:
    token = token_of(add(db, "Gazette"))
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert client.get(ENTRIES, headers={"Authorization": f"{scheme} {token}"}).status_code == 200
    for pair in (("gazette", token), (token, ""), (token, "x"), ("", token)):
        assert client.get(ENTRIES, auth=pair).status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer x", "Basic", "Basic !", "Basic eA==", "Basic /w==", "Digest x", "x"],
)
def test_missing_and_wrong_keys_are_refused_alike(client: TestClient, db: Database, header: str | None) -> None:
    add(db, "Gazette")
    for path in (ENTRIES, f"{ENTRIES}/1", "/partners/v1/feed.rss", "/partners/v1/feed.doc", f"{ENTRIES}?cursor=x"):
        refused = client.get(path, headers={} if header is None else {"Authorization": header})
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        assert challenge.startswith("Bearer realm=")
        assert 'Basic realm="partners"' in challenge
        assert refused.headers["cache-control"] == "no-store"
        assert refused.json() == {"detail": "Send your partner token."}


def test_revoking_works_at_once_in_every_process(client: TestClient, db: Database, wiring: Wiring) -> None:
    auth = add(db, "Gazette")
    with db.transaction() as session:
        secret = keys.switch_capability(keys.partner_named(session, "Gazette"), True)
    hidden = f"/partners/c/{secret}/feed.rss"
    with TestClient(create_app(wiring), base_url=BASE) as other:  # an app of its own, as each process has
        for asked in (client, other):
            assert asked.get(ENTRIES, headers=auth).status_code == asked.get(hidden).status_code == 200
        with db.transaction() as session:
            keys.revoke(keys.partner_named(session, "Gazette"))
        for asked in (client, other):
            refused = asked.get(ENTRIES, headers=auth)
            assert refused.status_code == asked.get(hidden).status_code == 401
            assert "www-authenticate" in refused.headers
    for act in (lambda p: keys.rotate(p), lambda p: keys.switch_capability(p, True)):
        with pytest.raises(Conflict, match="revoked"), db.transaction() as session:
            act(keys.partner_named(session, "Gazette"))


def test_a_rotated_token_ends_at_once_or_when_it_was_said(client: TestClient, db: Database) -> None:
    first = add(db, "Gazette")

    def rotate(hours: float) -> dict[str, str]:
        with db.transaction() as session:
            token = keys.rotate(keys.partner_named(session, "Gazette"), timedelta(hours=hours))
        return {"Authorization": f"Bearer {token}"}

    def answers(auth: dict[str, str]) -> int:
        return client.get(ENTRIES, headers=auth).status_code

    second = rotate(2)
    assert (answers(first), answers(second)) == (200, 200)
    with clock.shifted(timedelta(hours=2, seconds=1)):
        assert (answers(first), answers(second)) == (401, 200)
    third = rotate(0)
    assert (answers(first), answers(second), answers(third)) == (401, 401, 200)
    fourth = rotate(1)
    with db.transaction() as session:
        keys.revoke(keys.partner_named(session, "Gazette"))
    assert (answers(third), answers(fourth)) == (401, 401)


def test_partners_of_equal_scope_share_what_is_rendered(client: TestClient, db: Database) -> None:
    for name, series in (("A", ["ferries"]), ("B", ["ferries", "ferries"]), ("C", ["floods", "ferries"]), ("D", [])):
        add(db, name, *series)
    add(db, "E", "ferries", "floods")
    with db.reading() as session:
        feeds = {p.name: p.feed_id for p in session.scalars(select(Partner))}
        private = session.scalars(select(Feed).where(Feed.kind == "scope")).all()
    assert feeds["A"] == feeds["B"]
    assert feeds["C"] == feeds["E"]
    assert len({feeds[name] for name in "ACD"}) == 3 == len(private)
    assert all(feed.private for feed in private)


def test_names_are_taken_once_and_can_be_told_from_numbers(client: TestClient, db: Database) -> None:
    add(db, "The  Gazette ")
    with db.transaction() as session:
        owner = the_publication(session)
        with pytest.raises(Conflict, match="already"):
            keys.add(session, owner, " The Gazette")
        for wrong in ("", "  ", "x" * 201, "12"):
            with pytest.raises(BadInput, match="name"):
                keys.add(session, owner, wrong)
        with pytest.raises(NotFound, match=r"no series 'floats'.*floods"):
            keys.add(session, owner, "Herald", ["floats"])
        partner = keys.partner_named(session, "The Gazette")
        assert keys.partner_named(session, str(partner.id)) is partner
        with pytest.raises(NotFound, match="The Gazette"):
            keys.partner_named(session, "Gazete")


def test_the_capability_address(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry("one")])
    add(db, "Gazette", "ferries")
    refused = client.get("/partners/c/None/feed.rss")
    assert refused.status_code == 401, "off by default"
    assert "www-authenticate" in refused.headers

    def switch(on: bool) -> str | None:
        with db.transaction() as session:
            return keys.switch_capability(keys.partner_named(session, "Gazette"), on)

    secret, first = switch(True), None
    for path in ("feed.rss", "feed.atom", "feed.json", "entries"):
        answer = client.get(f"/partners/c/{secret}/{path}")
        assert answer.status_code == 200
        assert "On one" in answer.text
        assert secret not in answer.text + str(answer.headers)
        assert answer.headers["cache-control"] == "private, no-store"
        assert "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        again = client.get(f"/partners/c/{secret}/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-store")
    first, secret = secret, switch(True)
    assert client.get(f"/partners/c/{first}/feed.rss").status_code == 401, "a new one ends the old one"
    assert client.get(f"/partners/c/{secret}/feed.rss").status_code == 200
    switch(False)
    assert client.get(f"/partners/c/{secret}/feed.rss").status_code == 401


def test_nothing_made_for_partners_is_indexed_or_kept_by_others(
    client: TestClient, db: Database, new_entry: NewEntry
) -> None:
    publish(db, BASE, [new_entry("one")])
    auth = add(db, "Gazette")
    for path in ("/partners/v1/feed.rss", ENTRIES, f"{ENTRIES}/1"):
        headers = client.get(path, headers=auth).headers
        assert headers["cache-control"].startswith("private")
        assert "Authorization" in headers["vary"]
        assert "noindex" in headers["x-robots-tag"]
        assert "access-control-allow-origin" not in headers


@pytest.mark.sqlite_only
def test_a_partner_that_asks_too_often_waits_alone(db: Database, wiring: Wiring, publication: int) -> None:
    busy, calm = add(db, "Busy"), add(db, "Calm")
    object.__setattr__(wiring.settings, "partner_pulls_per_minute", 3)
    with TestClient(create_app(wiring), base_url=BASE) as client:
        assert [client.get(ENTRIES, headers=busy).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        refused = client.get(ENTRIES, headers=busy)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert client.get(ENTRIES, headers=calm).status_code == 200


@pytest.mark.sqlite_only
def test_guessing_is_slowed_and_shuts_out_nobody_with_a_key(client: TestClient, db: Database) -> None:
    auth = add(db, "Gazette")
    most = int(KNOCKS.partition("/")[0])
    guesses = [client.get(ENTRIES, headers={"Authorization": f"Bearer {i}"}).status_code for i in range(most + 2)]
    assert guesses == [401] * most + [429] * 2
    assert client.get(ENTRIES, headers=auth).status_code == 200
