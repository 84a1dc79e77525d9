"""Guarantee 8, attacked: before its time nothing of an entry can be told from nothing at all, in any public place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication import clock, embargo, publishing
from syndication.feeds import owing
from syndication.intake.importer import import_paths
from syndication.ledger.content import Entry, Feed, Publication
from syndication.partners import keys
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.intake.test_images import saved
from tests.web.web_world import BASE

SECRET = "Zanzibar"
PLACES = (
    "/", "/series/boats/", "/series/boats/page/2/", "/series/boats/public/", "/series/boats/secret/", "/series/boats/secret",
    "/feeds.opml", "/metrics", "/readyz", "/subscribe", "/sitemap.xml", "/robots.txt", "/hub", "/workbench", "/desk/",
    *(f"/feeds/{name}.{form}" for name in ("all", "boats") for form in ("rss", "atom", "json")),
)  # fmt: skip
PRIVATE = ("/partners/v1/entries", "/partners/v1/feed.atom", "/partners/v1/feed.json")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "boats").mkdir(parents=True)
    (tree / "publication.toml").write_text('[publication]\nslug="h"\nname="Harbour"\nurl="https://h.example"\n')
    (tree / "boats/series.toml").write_text('title = "Boats"\norder = "part"\n')
    (tree / "boats/both.png").write_bytes(saved("PNG", size=(11, 11)))
    (tree / "boats/secret.png").write_bytes(saved("PNG", size=(12, 12)))
    (tree / "boats/public.md").write_text("---\ntitle: Public\npart: 1\n---\nText.\n\n![Both](both.png)")
    (tree / "boats/third.md").write_text("---\ntitle: Third\npart: 3\n---\nText.")
    return tree


def seen(client: TestClient, token: str) -> dict[str, object]:
    told: dict[str, object] = {}
    for place in (*PLACES, *PRIVATE):
        headers = {"authorization": f"Bearer {token}"} if place in PRIVATE else {}
        answer = client.get(place, headers=headers, follow_redirects=False)
        told[place] = (
            answer.status_code,
            sorted((k, v) for k, v in answer.headers.items() if k != "date"),
            answer.content,
        )
    return told


@pytest.mark.sqlite_only
def test_nothing_of_an_embargoed_entry_can_be_seen(wiring: Wiring, client: TestClient, tree: Path) -> None:
    db, settings = wiring.db, Settings()
    ids = [e.entry_id for e in import_paths(db, [tree], settings=settings).created]
    publishing.publish(db, BASE, ids)
    publishing.rerender_all(db, BASE)
    with db.transaction() as session:
        token = keys.add(session, session.query(Publication).one(), "Quay", ["boats"]).token
    publishing.rerender_all(db, BASE)
    while owing.render_owed(db, BASE):
        pass
    with clock.frozen(clock.now()):
        before = seen(client, token)
        assert "404" in str(before["/series/boats/secret/"])
        with db.reading() as session:
            numbers = (
                [(f.wanted_seq, f.rendered_seq) for f in session.query(Feed)],
                session.query(Publication).one().seq,
            )
        at = clock.now() + timedelta(days=1)
        (tree / "boats/secret.md").write_text(
            f"---\ntitle: {SECRET}\npart: 2\npublish_at: {at.isoformat(timespec='seconds')}\nstandfirst: {SECRET}\n"
            f"topics: [{SECRET}]\n---\nAll about {SECRET}.\n\n![{SECRET}](secret.png)\n\n![Both](both.png)"
        )
        (entry,) = import_paths(db, [tree], settings=settings).created
        assert embargo.publish_due(db, BASE) == []
        assert seen(client, token) == before
        with db.reading() as session:
            found = session.get_one(Entry, entry.entry_id)
            assert found.state == "scheduled"
            assert numbers == (
                [(f.wanted_seq, f.rendered_seq) for f in session.query(Feed)],
                session.query(Publication).one().seq,
            )
        images = {
            name: f"/media/{file.sha256}.png"
            for name in ("both", "secret")
            for file in [_media(tree / f"boats/{name}.png")]
        }
        assert client.get(images["both"]).status_code == 200
        assert client.get(images["secret"]).status_code == client.get(f"/media/{'0' * 64}.png").status_code == 404
    with clock.shifted(timedelta(days=1, seconds=1)):
        assert [c.act for c in embargo.publish_due(db, BASE)] == ["published"]
        while owing.render_owed(db, BASE):
            pass
        after = seen(client, token)
        for place in ("/", "/series/boats/", "/series/boats/secret/", "/feeds/all.rss", "/feeds/boats.json", *PRIVATE):
            assert SECRET in str(after[place]), place
        assert client.get(images["secret"]).status_code == 200
        publishing.withdraw(db, BASE, entry.entry_id, "Too early.")
        while owing.render_owed(db, BASE):
            pass
        assert client.get("/series/boats/secret/").status_code == 410
        assert client.get(images["secret"]).status_code == 404
        assert client.get(images["both"]).status_code == 200  # another entry shows it
        for place in ("/", "/series/boats/", "/series/boats/public/", "/feeds/all.rss", "/feeds/boats.json"):
            assert SECRET not in str(seen(client, token)[place]), place
        publishing.publish(db, BASE, [entry.entry_id])
        assert client.get(images["secret"]).status_code == 200
        assert client.get("/series/boats/secret/").status_code == 200


def _media(path: Path):  # type: ignore[no-untyped-def]
    from syndication.intake.images import checked

    return checked(path.read_bytes(), path.name, 10_000)


@pytest.mark.sqlite_only
def test_an_image_of_a_waiting_correction_is_not_served_and_an_old_one_no_more(
    wiring: Wiring, client: TestClient, tree: Path
) -> None:
    db, settings = wiring.db, Settings()
    publishing.publish(db, BASE, [e.entry_id for e in import_paths(db, [tree], settings=settings).created])
    old, new = (f"/media/{_media(tree / f'boats/{name}.png').sha256}.png" for name in ("both", "secret"))
    (tree / "boats/public.md").write_text("---\ntitle: Public\npart: 1\n---\nText.\n\n![New](secret.png)")
    (waiting,) = import_paths(db, [tree], settings=settings).changed
    assert [client.get(address).status_code for address in (old, new)] == [200, 404]
    publishing.correct(db, BASE, waiting.entry_id, "The picture was that of another boat.")
    assert [client.get(address).status_code for address in (old, new)] == [404, 200]
    page = client.get("/series/boats/public/").text
    assert "The picture was that of another boat." in page
