"""`syndicate mail`: a key is made once, and the records to publish are told, also where no resolver answers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


def test_a_key_and_its_record(syndicate: list[str], tmp_path: Path) -> None:
    environment = os.environ | {
        "SYNDICATION_DATA_DIR": str(tmp_path / "var"),
        "SYNDICATION_MAIL_URL": "smtp://127.0.0.1:1",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*syndicate, *words], env=environment, capture_output=True, text=True, timeout=120)

    assert run("import", str(Path(__file__).parents[2] / "seeds")).returncode == 0
    made = json.loads(run("mail", "key", "s2026", "--kind", "ed25519", "--json").stdout)
    assert Path(made["path"]).stat().st_mode & 0o777 == 0o600
    again = run("mail", "key", "s2026")
    assert again.returncode == 1
    assert "never replaced" in again.stderr
    assert f"Set {made['setting']}." in run("doctor").stdout, "it is made and not set"
    before = json.loads(run("mail", "records", "--json").stdout)
    name, _, value = made["setting"].partition("=")
    environment[name] = value
    rows = json.loads(run("mail", "records", "--json").stdout)
    assert rows == before, "its record can be published before mail is signed with it"
    assert [row["about"] for row in rows] == ["SPF", "DKIM", "DMARC"]
    assert rows[1]["value"].startswith("v=DKIM1; k=ed25519; p=")
    assert "behind the others" in run("mail", "key", "s2027").stdout
    environment[name] = "s2026=elsewhere.pem"
    told = run("doctor")
    assert told.returncode == 1
    assert "no mail goes out" in told.stdout
    assert "Mend its path" in told.stdout
