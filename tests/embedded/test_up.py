"""`syndicate up`, as a newcomer runs it: real processes, a real broker; killed, refused twice, ended cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from syndication.feeds.disclaimers import STANDARD, count_html, render_notice

ROOT = Path(__file__).parents[2]
PUBLICATION = """[publication]
slug = "harbour"
name = "Harbour Office"
url = "https://h.example"
supporters_url = "https://h.example/s"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what, seconds: float = 60.0):  # type: ignore[no-untyped-def]
    """The first truthy answer of `what`; fails loudly when none comes."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if found := what():
                return found
        except (requests.RequestException, OSError):
            pass
        time.sleep(0.1)
    pytest.fail(f"{what} did not come true in {seconds} s")


@pytest.mark.timeout(240)
def test_a_whole_day_of_the_service(tmp_path: Path) -> None:
    tree = tmp_path / "a tree"
    (tree / "boats").mkdir(parents=True)
    (tree / "publication.toml").write_text(PUBLICATION)
    (tree / "boats/series.toml").write_text('title = "Boats"')
    (tree / "boats/slow.md").write_text("---\ntitle: Slow boats\n---\nThe ferry is late.")
    port, data = free_port(), tmp_path / "my data"
    base = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "SYNDICATION_PORT": str(port), "SYNDICATION_DATA_DIR": str(data),
                   "SYNDICATION_SWEEP_SECONDS": "1"}  # fmt: skip
    command = [sys.executable, "-m", "syndication"]
    up = subprocess.Popen(
        [*command, "up", "--seeds", str(tree)], env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: requests.get(f"{base}/readyz", timeout=2).status_code == 200)
        (item,) = requests.get(f"{base}/feeds/all.json", timeout=5).json()["items"]
        text, _ = render_notice(STANDARD["en"], name="Harbour Office", supporters_url="https://h.example/s")
        assert count_html(item["content_html"], text) == 1
        assert requests.get(f"{base}/series/boats/slow/", timeout=5).status_code == 200
        outbox = until(lambda: [f for f in (data / "outbox").rglob("*") if f.is_file()])
        assert "at-once@demo.example" in outbox[0].read_text()

        again = subprocess.run([*command, "up"], env=environment, cwd=ROOT, text=True, capture_output=True, timeout=60)
        assert again.returncode == 1
        assert "works in this data directory already" in again.stderr

        shown = subprocess.run(
            [*command, "entries", "--json"], env=environment, cwd=ROOT, capture_output=True, timeout=60
        )
        assert [e["state"] for e in json.loads(shown.stdout)] == ["published"]

        worker = next(p for p in psutil.Process(up.pid).children() if "worker" in p.cmdline())
        for victim in (worker, *worker.children(recursive=True)):
            victim.kill()
        until(lambda: any("worker" in p.cmdline() for p in psutil.Process(up.pid).children() if p.pid != worker.pid))
        (tree / "boats/next.md").write_text("---\ntitle: The next boat\n---\nIt is late too.")
        for arguments in (["import", str(tree)], ["publish", "next"]):
            subprocess.run(
                [*command, *arguments], env=environment, cwd=ROOT, check=True, timeout=90, capture_output=True
            )
        until(lambda: len(requests.get(f"{base}/feeds/all.json", timeout=5).json()["items"]) == 2)
        until(lambda: len([f for f in (data / "outbox").rglob("*") if f.is_file()]) >= 2)

        family = psutil.Process(up.pid).children(recursive=True)
        os.killpg(up.pid, signal.SIGINT)
        up.wait(8)
        assert psutil.wait_procs(family, timeout=1)[1] == []
        said = up.stdout.read() if up.stdout else ""
        assert f"Open {base}/workbench" in said
        assert not (data / "service.json").exists()
    finally:
        if up.poll() is None:
            os.killpg(up.pid, signal.SIGTERM)
            up.wait(10)
