"""Conditional polls a second: our feed callable under granian against nginx with a static file, by wrk.

One server process each, one wrk thread, 64 connections; each side is asked with its own validators and answers 304. Needs wrk
and nginx. The figures are requests a second; `--quick` measures for one second instead of five.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests

from bench.publish import ledger
from bench.record import record
from syndication.publishing import rerender_all

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 1 if "--quick" in sys.argv else 5
CONNECTIONS = 64
NGINX = """worker_processes 1; daemon off; pid {dir}/pid; error_log {dir}/error.log; {user}
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {dir}; proxy_temp_path {dir};
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
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=2)
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
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *extra, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def main() -> None:
    missing = [tool for tool in ("wrk", "nginx") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"This bench needs {' and '.join(missing)}: apt-get install {' '.join(missing)}")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, other = free_port(), free_port()
        ours, theirs = f"http://127.0.0.1:{port}/feeds/all.atom", f"http://127.0.0.1:{other}/all.atom"
        db = ledger(folder, 100)
        rerender_all(db, f"http://127.0.0.1:{port}")
        db.close()
        granian = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--workers", "1", "--no-ws"]
        granian += ["--log-level", "warning", "--port", str(port), "syndication.web.app:application"]
        settings = {
            "SYNDICATION_DATA_DIR": name,
            "SYNDICATION_DATABASE_URL": db.url,
            "SYNDICATION_BASE_URL": f"http://127.0.0.1:{port}",
        }
        with serving(granian, ours, **settings):
            zipped = requests.get(ours, headers={"Accept-Encoding": "gzip"}, timeout=5)
            body = zipped.content
            tagged = {"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["etag"]}
            figures["ours_304_by_etag_per_second"] = rate(ours, tagged, 304)
            time.sleep(1)  # the date is said from its second on
            date = requests.get(ours, timeout=5).headers["last-modified"]
            figures["ours_304_by_date_per_second"] = rate(ours, {"If-Modified-Since": date}, 304)
            figures["ours_200_gzip_per_second"] = rate(ours, {"Accept-Encoding": "gzip"}, 200)
        (folder / "www").mkdir()
        (folder / "www" / "all.atom").write_bytes(gzip.compress(body, 6, mtime=0))
        folder.chmod(0o755)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX.format(dir=folder, port=other, user=user))
        with serving(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], theirs):
            etag = requests.get(theirs, timeout=5).headers["etag"]
            figures["nginx_304_by_etag_per_second"] = rate(theirs, {"If-None-Match": etag}, 304)
            figures["nginx_200_gzip_file_per_second"] = rate(theirs, {}, 200)
    figures["gzip_bytes"] = len(gzip.compress(body, 6, mtime=0))
    figures["ratio_304_ours_to_nginx"] = round(
        figures["ours_304_by_etag_per_second"] / figures["nginx_304_by_etag_per_second"], 3
    )
    record("poll", figures)


if __name__ == "__main__":
    main()
