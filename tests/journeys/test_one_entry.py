"""One entry's way as the outside sees it, three times: hints delivered, hints lost (sweeps alone), hints doubled.

Speaks HTTP, documents, mail and time; the outside must look the same each time, on both databases.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from syndication import publishing, sweeping
from syndication.digests import control
from syndication.feeds.disclaimers import STANDARD, count_html, count_text, render_notice
from syndication.intake.importer import import_paths
from syndication.ledger.content import Publication
from syndication.ledger.db import Database
from syndication.ledger.mailings import Issue
from syndication.partners import keys
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring

BASE = "http://testserver"
PUBLICATION = """[publication]
slug = "harbour"
name = "Harbour Office"
url = "https://h.example"
supporters_url = "https://h.example/s"
postal_address = "1 Quay"
default_series = "boats"
"""
NOTICE, _ = render_notice(STANDARD["en"], name="Harbour Office", supporters_url="https://h.example/s")


class World:
    """The service in one process; `settle` is the time that workers need."""

    def __init__(self, db: Database, place: Path, hints: str) -> None:
        self.db, self.place, self.hints = db, place, hints
        settings = Settings(data_dir=place, base_url=BASE, mail_url=f"maildir:{place / 'out'}", secret_keys="k" * 40)
        self.wiring = Wiring(settings, BASE, "")
        self.wiring.__dict__["db"] = db
        self.rung: list[tuple[str, tuple[object, ...]]] = []
        db.ring = lambda name, *args: self.rung.append((name, args))
        self.tree = place / "tree"
        (self.tree / "boats").mkdir(parents=True)
        (self.tree / "publication.toml").write_text(PUBLICATION)
        (self.tree / "boats/series.toml").write_text('title = "Boats"')

    def visitor(self) -> TestClient:
        return TestClient(create_app(self.wiring))

    def settle(self) -> None:
        if self.hints == "lost":
            self.rung.clear()
            for _ in range(4):
                sweeping.sweep_all(self.wiring)
            return
        while self.rung:
            name, args = self.rung.pop(0)
            for _ in range(2 if self.hints == "doubled" else 1):
                sweeping.do(self.wiring, name, *args)

    def publish(self, slug: str, title: str) -> None:
        (self.tree / f"boats/{slug}.txt").write_text(
            f"{title}\n\nWhy.\n\nPart of a Series\n\nAbout {slug}.\n\n{NOTICE}\n"
        )
        report = import_paths(self.db, [self.tree], settings=self.wiring.settings)
        assert not report.failures
        publishing.publish(self.db, BASE, [e.entry_id for e in report.created])
        self.settle()

    def mail(self) -> list[EmailMessage]:
        files = sorted(
            (f for f in (self.place / "out").rglob("*") if f.is_file()), key=lambda f: int(f.name.split(".")[0])
        )
        return [message_from_bytes(f.read_bytes(), policy=policy.default) for f in files]  # type: ignore[misc]

    def adds_up(self) -> bool:
        with self.db.reading() as session:
            return all(
                issue.eligible == sum(control.counts(session, issue.id).values())
                for issue in session.scalars(select(Issue))
            )


def text_of(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize("hints", ["delivered", "lost", "doubled"])
def test_from_a_document_to_an_inbox_and_out_again(db: Database, tmp_path: Path, hints: str) -> None:
    world = World(db, tmp_path, hints)
    world.publish("one", "The first boat")
    reader = world.visitor()
    (item,) = reader.get("/feeds/all.json").json()["items"]
    assert count_html(item["content_html"], NOTICE) == 1

    form = {"email": "Ana@Reader.example", "series": "all", "cadence": "at-once", "timezone": "Europe/Lisbon"}
    assert reader.post("/subscribe", data=form).status_code == 200
    world.settle()
    (letter,) = world.mail()
    assert count_text(text_of(letter, "plain"), NOTICE) == 1
    confirm = urlsplit(re.findall(r"http://testserver/confirm/[^\s<>\"]+", text_of(letter, "plain"))[0]).path
    assert reader.get(confirm).status_code == 200
    world.publish("two", "The second boat")
    assert len(world.mail()) == 1  # opening the link confirmed nobody
    assert reader.post(confirm, data={}).status_code == 200

    world.publish("three", "The third boat")
    (_, digest) = world.mail()
    assert digest["To"].addresses[0].addr_spec.lower() == "ana@reader.example"
    for kind, count in (("html", count_html), ("plain", count_text)):
        assert count(text_of(digest, kind), NOTICE) == 1
        assert "The third boat" in text_of(digest, kind)
        assert "The second boat" not in text_of(digest, kind)

    one_click = urlsplit(digest["List-Unsubscribe"].strip("<>")).path
    stranger = world.visitor()
    preferences = one_click.replace("unsubscribe", "preferences")
    assert stranger.get(preferences).status_code == stranger.get(one_click).status_code == 200
    world.publish("four", "The fourth boat")
    assert len(world.mail()) == 3  # looking at the pages ended nothing
    assert stranger.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    world.publish("five", "The fifth boat")
    assert len(world.mail()) == 3

    with db.transaction() as session:
        token = keys.add(session, session.scalars(select(Publication)).one(), "Partner").token
    answer = stranger.get("/partners/v1/entries", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.text.count("tag:h.example") >= 5
    assert stranger.get("/partners/v1/entries").status_code == 401
    assert world.adds_up()
