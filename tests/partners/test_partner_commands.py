"""The commands of subscribers and partners: JSON alone on stdout, exit status, one token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("syndication.cli.output", reason="the command line's output module is not there")


@pytest.fixture
def run(db, tmp_path: Path, monkeypatch, capsys):
    from syndication.cli import partners, subscribers
    from syndication.settings import Settings
    from syndication.wiring import Wiring

    wiring = Wiring(settings=Settings(data_dir=tmp_path, database_url=db.url), base_url="http://x", broker_url="")
    monkeypatch.setitem(wiring.__dict__, "db", db)
    for module in (partners, subscribers):
        monkeypatch.setattr(module, "state", lambda: wiring)

    def call(app, *arguments: str) -> str:
        app(list(arguments), standalone_mode=False)
        return capsys.readouterr().out

    return call


def test_subscribers_and_partners(db, run, tmp_path: Path) -> None:
    from syndication import clock
    from syndication.cli import partners, subscribers
    from syndication.feeds.disclaimers import STANDARD
    from syndication.ledger.content import Publication
    from syndication.publishing import add_notice

    with db.transaction() as session:
        publication = Publication(
            slug="t", name="Tideway", url="https://t.example", language="en", timezone="UTC", mail_from="a@t.example",
            tag_authority="t.example", tag_date="2026-01-01", created_at=clock.now(),
        )  # fmt: skip
        session.add(publication)
        session.flush()
        add_notice(session, publication, "en", STANDARD["en"])
    (tmp_path / "p.csv").write_text("address\nanna@example.org\n")
    assert json.loads(run(subscribers.app, "import", str(tmp_path / "p.csv"), "--json"))["added"] == 1
    shown = run(subscribers.app, "show", "Anna@example.org", "--json")
    assert json.loads(shown)["subscriptions"][0]["series"] == "all"
    assert run(subscribers.app, "show", "anna@example.org", "--json") == shown, "nothing reckoned from the clock"
    assert "anna@example.org,,all,daily" in run(subscribers.app, "export")
    assert json.loads(run(subscribers.app, "list", "--json"))[0]["following"] == ["all daily"]
    run(subscribers.app, "erase", "anna@example.org")
    assert json.loads(run(subscribers.app, "import", str(tmp_path / "p.csv"), "--json"))["suppressed"] == 1
    made = json.loads(run(partners.app, "add", "Gazette", "--json"))
    assert made["token"] not in run(partners.app, "show", "Gazette", "--json")
    assert "/partners/c/" in run(partners.app, "capability", "Gazette")
    run(partners.app, "revoke", "Gazette")
    assert json.loads(run(partners.app, "list", "--json"))[0]["revoked_at"]
