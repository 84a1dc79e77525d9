"""Polls a second: our feed callable under granian against nginx serving the same compressed bytes as a file, by wrk.

One server process on one core, one wrk thread with 64 connections on another; each side is asked with its own validators and
answers 304, then without and answers 200 with the gzip. Both servers run the whole time and are asked in turn, round by round;
a figure is the median of the rounds, in requests a second. Needs wrk, nginx, taskset and two cores. `--quick`: one short round.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests
from sqlalchemy import select

from bench.publish import ledger
from bench.record import record
from syndication.feeds.artifacts import GZIP_LEVEL
from syndication.ledger.content import Revision
from syndication.ledger.db import Database
from syndication.publishing import rerender_all

ROOT = Path(__file__).resolve().parents[1]
SECONDS, ROUNDS = (1, 1) if "--quick" in sys.argv else (4, 5)
CONNECTIONS = 64
SERVER_CORE, CLIENT_CORE = "0", "1"
NGINX = """worker_processes 1; daemon off; pid {dir}/pid; error_log {dir}/error.log; {user}
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; open_file_cache max=100 inactive=60s;
  keepalive_requests 100000000; client_body_temp_path {dir}; proxy_temp_path {dir};
  fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{ listen 127.0.0.1:{port}; root {dir}/www; default_type application/atom+xml; }} }}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], url: str, **environment: str) -> Iterator[None]:
    """Runs a server until the block ends; waits for its first 200, twenty seconds at most."""
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command], cwd=ROOT, env={**os.environ, **environment}, stdout=2
    )
    try:
        for _ in range(200):
            try:
                if requests.get(url, timeout=2).status_code == 200:
                    break
            except requests.ConnectionError:
                pass
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended with {process.returncode}.")
            time.sleep(0.1)
        else:
            raise SystemExit(f"{command[0]} does not answer at {url}.")
        yield
    finally:
        process.terminate()
        process.wait(10)


def rate(url: str, headers: dict[str, str], status: int) -> float:
    """Requests a second, having made sure that the answer is `status`."""
    answer = requests.get(url, headers={"Accept-Encoding": "identity", **headers}, timeout=5)
    assert answer.status_code == status, (url, headers, answer.status_code)
    extra = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *extra, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said or status == 304, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def main() -> None:
    missing = [tool for tool in ("wrk", "nginx", "taskset") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"This bench needs {' and '.join(missing)}: scripts/setup bench")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, other = free_port(), free_port()
        ours, theirs = f"http://127.0.0.1:{port}/feeds/all.atom", f"http://127.0.0.1:{other}/all.atom"
        db = ledger(folder, 100)
        vary(db)
        rerender_all(db, f"http://127.0.0.1:{port}")
        db.close()
        granian = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--workers", "1", "--no-ws"]
        granian += ["--log-level", "warning", "--port", str(port), "syndication.web.app:application"]
        settings = {
            "SYNDICATION_DATA_DIR": name,
            "SYNDICATION_DATABASE_URL": db.url,
            "SYNDICATION_BASE_URL": f"http://127.0.0.1:{port}",
        }
        (folder / "www").mkdir()
        folder.chmod(0o755)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX.format(dir=folder, port=other, user=user))
        nginx = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with serving(granian, ours, **settings):
            zipped = requests.get(ours, headers={"Accept-Encoding": "gzip"}, timeout=5)
            sent = gzip.compress(zipped.content, GZIP_LEVEL, mtime=0)
            assert len(sent) == int(zipped.headers["content-length"])
            (folder / "www" / "all.atom").write_bytes(sent)
            with serving(nginx, theirs):
                time.sleep(1)  # a date is said from its second on
                record("poll", measured(ours, theirs) | {"gzip_bytes": len(sent)})


def vary(db: Database) -> None:
    """Gives each entry a text of its own, so that a feed compresses as a real one does, to about 15 kB."""
    chance = random.Random(1)
    words = ["".join(chance.choices("aaeeiioubcdfghlmnprstvw", k=chance.randint(2, 9))) for _ in range(3_000)]
    with db.transaction() as session:
        for revision in session.scalars(select(Revision)):
            body = "".join(f"<p>{' '.join(chance.choices(words, k=30))}.</p>" for _ in range(6))
            revision.content = {**revision.content, "body_html": body}


def measured(ours: str, theirs: str) -> dict[str, float]:
    """Each figure's median over the rounds, and what fraction of nginx ours is."""
    zipped = {"Accept-Encoding": "gzip"}
    tag = requests.get(ours, headers=zipped, timeout=5).headers["etag"]
    date = requests.get(ours, headers=zipped, timeout=5).headers["last-modified"]
    other = requests.get(theirs, timeout=5).headers["etag"]
    asked: dict[str, tuple[str, dict[str, str], int]] = {
        "ours_304_by_etag_per_second": (ours, zipped | {"If-None-Match": tag}, 304),
        "nginx_304_by_etag_per_second": (theirs, {"If-None-Match": other}, 304),
        "ours_304_by_date_per_second": (ours, zipped | {"If-Modified-Since": date}, 304),
        "ours_200_gzip_per_second": (ours, zipped, 200),
        "nginx_200_gzip_per_second": (theirs, {}, 200),
    }
    rounds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, (url, headers, status) in asked.items():
            rounds[name].append(rate(url, headers, status))
    figures = {name: statistics.median(rates) for name, rates in rounds.items()}
    for status in ("304_by_etag", "200_gzip"):
        ratio = figures[f"ours_{status}_per_second"] / figures[f"nginx_{status}_per_second"]
        figures[f"ratio_{status[:3]}_nginx"] = round(ratio, 3)
    return figures


if __name__ == "__main__":
    main()
