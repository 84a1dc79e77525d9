"""docs/partners.md is true: its puller mirrors a series from a real server, through corrections, withdrawals and a crash."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from syndication.ledger.db import Database
from syndication.publishing import correct, publish, withdraw
from tests.partners.partner_world import BASE, add, serving, token_of
from tests.publishing.conftest import NewEntry, redraft

DOCUMENT = (Path(__file__).parents[2] / "docs/partners.md").read_text("utf-8")


@pytest.mark.sqlite_only
@pytest.mark.timeout(90)
def test_the_puller_keeps_a_true_copy(db: Database, publication: int, new_entry: NewEntry, tmp_path: Path) -> None:
    (puller,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(puller.splitlines()) <= 30
    made = [new_entry(f"e{i}") for i in range(4)]
    publish(db, BASE, made[:3])
    token = token_of(add(db, "Gazette", "ferries"))
    kept = tmp_path / "kept"

    def copies(where: Path = kept) -> dict[int, tuple[str, int]]:
        pull(where)
        found = [json.loads(f.read_text()) for f in where.glob("*.json")]
        return {e["number"]: (e["title"], e["revision"]) for e in found}

    with serving(db.url, tmp_path) as server:

        def pull(where: Path) -> None:
            environment = os.environ | {
                "PARTNER_URL": f"{server}/partners/v1",
                "PARTNER_TOKEN": token,
                "KEPT": str(where),
            }
            subprocess.run([sys.executable, "-c", puller], env=environment, check=True, timeout=30)

        assert copies() == {n: (f"On e{i}", 1) for i, n in enumerate(made[:3])}
        cursor = (kept / "cursor").read_text()
        with db.transaction() as session:
            redraft(session, made[0], title="Corrected")
        correct(db, BASE, made[0])
        withdraw(db, BASE, made[1], "wrong figures")
        publish(db, BASE, made[3:])
        expected = {made[0]: ("Corrected", 2), made[2]: ("On e2", 1), made[3]: ("On e3", 1)}
        assert copies() == expected
        (kept / "cursor").write_text(cursor)  # a crash before the cursor was kept
        assert copies() == expected == copies(tmp_path / "anew")


@pytest.mark.sqlite_only
@pytest.mark.timeout(60)
def test_the_commands_of_the_page_work(db: Database, publication: int, new_entry: NewEntry, tmp_path: Path) -> None:
    publish(db, BASE, [new_entry("one")])
    token = token_of(add(db, "Gazette"))
    commands = [line.partition(" #")[0] for line in DOCUMENT.splitlines() if line.startswith("curl ")]
    assert len(commands) == 3
    with serving(db.url, tmp_path) as server:
        environment = os.environ | {"PARTNER_URL": f"{server}/partners/v1", "PARTNER_TOKEN": token}
        for command in commands:
            done = subprocess.run(
                ["sh", "-c", command.replace("curl ", "curl -sf ")], env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, command
            assert "On one" in done.stdout


def test_every_field_named_is_one() -> None:
    from syndication.cli.partners import app
    from syndication.partners.records import EntryRecord

    named = {
        cell
        for row in re.findall(r"^\| .* \| (.*) \|$", DOCUMENT, re.MULTILINE)
        for cell in re.findall(r"`(\w+)`", row)
    }
    assert named - {"published", "withdrawn"} <= set(EntryRecord.model_fields)
    assert len(named) > 9
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert set(re.findall(r"syndicate partners (\w+)", DOCUMENT)) <= commands
