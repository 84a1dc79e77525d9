"""Polls a second: our feed callable under granian against nginx serving the same compressed bytes as a file, by wrk.

One server process on one core, one wrk thread with 64 connections on another; each side is asked with its own validators and
answers 304, then without and answers 200 with the gzip. All servers run the whole time and are asked in turn, round by round; a
figure is the median of the rounds, in requests a second. Ours counts each 200 of a client that names itself, as it would.

Beside it: docs/nginx.conf over the exported tree, Django's syndication framework, a FastAPI view that runs feedgen
(`bench/contenders.py`); and the same service with ten thousand feeds: what a start, a poll, memory and a publish cost then.
Needs wrk, nginx, taskset and two cores.
"""

from __future__ import annotations

import gzip
import json
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
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import requests
from sqlalchemy import insert, inspect, select

from bench.publish import ledger
from bench.record import flags, record
from syndication.feeds.archives import PAGE
from syndication.feeds.artifacts import GZIP_LEVEL
from syndication.ledger.content import Artifact, Entry, Feed, Revision
from syndication.ledger.db import Database
from syndication.publishing import publish, rerender_all
from syndication.settings import Settings
from syndication.tree.export import export
from syndication.wiring import Wiring

ROOT = Path(__file__).resolve().parents[1]
SECONDS, CONNECTIONS = 2, 64
SERVER_CORE, CLIENT_CORE = "0", "1"
NGINX = """worker_processes 1; daemon off; pid {dir}/{name}.pid; error_log {dir}/error.log; {user}
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {dir}; proxy_temp_path {dir};
  fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir}; {site} }}
"""
A_FILE = """sendfile on; tcp_nopush on; open_file_cache max=100 inactive=60s;
  server {{ listen 127.0.0.1:{port}; root {dir}/www; default_type application/atom+xml; }}"""
CLIENT = {"X-Forwarded-For": "81.2.69.142"}  # so that what a real client costs is counted, too


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], url: str, **environment: str) -> Iterator[tuple[int, float]]:
    """Runs a server until the block ends; gives its process and the seconds to its first 200, twenty at most."""
    began = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command], cwd=ROOT, env={**os.environ, **environment}, stdout=2
    )
    try:
        for _ in range(1_000):
            try:
                if requests.get(url, timeout=2).status_code == 200:
                    break
            except requests.ConnectionError:
                pass
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended with {process.returncode}.")
            time.sleep(0.02)
        else:
            raise SystemExit(f"{command[0]} does not answer at {url}.")
        yield process.pid, time.perf_counter() - began
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
    small = flags(__doc__, small="one short round, 1,000 feeds; results/ stays as it is").small
    rounds, feeds = (1, 1_000) if small else (5, 10_000)
    missing = [tool for tool in ("wrk", "nginx", "taskset") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"This bench needs {' and '.join(missing)}: scripts/setup bench")
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)
        port, base = _port_and_base()
        db = ledger(folder, 100)
        vary(db)
        rerender_all(db, base)
        settings = Settings(data_dir=folder, database_url=db.url, base_url=base)
        export(Wiring(settings=settings, base_url=base, broker_url=""), folder / "tree")
        items = folder / "items.json"
        items.write_text(json.dumps(entries(db)))
        ours = f"{base}/feeds/all.atom"
        _, few_start = running.enter_context(serving(granian(port), ours, **environment(db, base)))
        zipped = requests.get(ours, headers={"Accept-Encoding": "gzip"}, timeout=5)
        sent = gzip.compress(zipped.content, GZIP_LEVEL, mtime=0)
        assert len(sent) == int(zipped.headers["content-length"])
        (folder / "www").mkdir()
        (folder / "www" / "all.atom").write_bytes(sent)
        addresses = {
            "ours": ours,
            "nginx": running.enter_context(nginx(folder, "file", "/all.atom")),
            "nginx_tree": running.enter_context(nginx(folder, "tree", "/feeds/all.atom")),
            "django": running.enter_context(contender(items, "wsgi", "django_app")),
            "fastapi_feedgen": running.enter_context(contender(items, "asgi", "fastapi_app")),
        }
        time.sleep(1)  # a date is said from its second on
        figures = measured(addresses, rounds) | {"gzip_bytes": len(sent), "cold_start_seconds": few_start}
        figures |= many(running, db, ours, feeds, rounds)
        db.close()
    record("poll", figures, whole=not small)


def granian(port: int, interface: str = "asgi", app: str = "syndication.web.app:application") -> list[str]:
    said = [sys.executable, "-m", "granian", "--interface", interface, "--factory", "--workers", "1", "--no-ws"]
    return [*said, "--log-level", "warning", "--port", str(port), app]


def environment(db: Database, base: str) -> dict[str, str]:
    said = {
        "DATA_DIR": str(Path(db.url.partition("///")[2]).parent), "DATABASE_URL": db.url, "BASE_URL": base,
        "TRUSTED_PROXIES": "127.0.0.1", "POLL_LIMIT": "1000000000/hour",
    }  # fmt: skip
    return {f"SYNDICATION_{name}": value for name, value in said.items()}


def _port_and_base() -> tuple[int, str]:
    port = free_port()
    return port, f"http://127.0.0.1:{port}"


@contextmanager
def nginx(folder: Path, name: str, path: str) -> Iterator[str]:
    """nginx on the one core, with the bare file or with docs/nginx.conf over the tree; the address of the feed."""
    port = free_port()
    site = A_FILE.format(dir=folder, port=port)
    if name == "tree":
        site = (ROOT / "docs/nginx.conf").read_text("utf-8")
        site = site.replace("/srv/syndication", str(folder / "tree")).replace("listen 80;", f"listen 127.0.0.1:{port};")
        site = site.replace("access_log /var/log/nginx/access.log syndication;", "")
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / f"{name}.conf"
    conf.write_text(NGINX.format(dir=folder, name=name, site=site, user=user))
    address = f"http://127.0.0.1:{port}{path}"
    with serving(["nginx", "-c", str(conf), "-e", str(folder / "error.log")], address):
        yield address


@contextmanager
def contender(items: Path, interface: str, app: str) -> Iterator[str]:
    port, base = _port_and_base()
    with serving(granian(port, interface, f"bench.contenders:{app}"), f"{base}/feed.atom", FEED_ITEMS=str(items)):
        yield f"{base}/feed.atom"


def vary(db: Database) -> None:
    """Gives each entry a text of its own, so that a feed compresses as a real one does, to about 15 kB."""
    chance = random.Random(1)
    words = ["".join(chance.choices("aaeeiioubcdfghlmnprstvw", k=chance.randint(2, 9))) for _ in range(3_000)]
    with db.transaction() as session:
        for revision in session.scalars(select(Revision)):
            body = "".join(f"<p>{' '.join(chance.choices(words, k=30))}.</p>" for _ in range(6))
            revision.content = {**revision.content, "body_html": body}


def entries(db: Database) -> list[dict[str, str]]:
    """The newest entries, as the contenders hold them."""
    with db.reading() as session:
        newest = session.scalars(select(Entry).where(Entry.state == "published").order_by(Entry.id.desc()).limit(PAGE))
        return [
            {"id": e.tag_uri, "title": e.revision.title, "html": e.revision.content["body_html"],
             "updated": e.updated_at.isoformat()}
            for e in newest if e.revision is not None and e.updated_at is not None
        ]  # fmt: skip


def measured(addresses: dict[str, str], times: int) -> dict[str, float]:
    """Each figure's median over the rounds, and what fraction of nginx ours is."""
    zipped = {"Accept-Encoding": "gzip"}
    said = {name: requests.get(url, headers=zipped, timeout=5).headers for name, url in addresses.items()}
    asked: dict[str, tuple[str, dict[str, str], int]] = {}
    for name, url in addresses.items():
        if name not in ("django", "fastapi_feedgen"):
            asked[f"{name}_304_by_etag_per_second"] = (url, zipped | {"If-None-Match": said[name]["etag"]}, 304)
        asked[f"{name}_200_gzip_per_second"] = (url, zipped | CLIENT, 200)
    dated = zipped | {"If-Modified-Since": said["ours"]["last-modified"]}
    asked["ours_304_by_date_per_second"] = (addresses["ours"], dated, 304)
    bare = {
        "If-None-Match": requests.get(addresses["nginx"], headers={"Accept-Encoding": ""}, timeout=5).headers["etag"]
    }
    asked["nginx_304_by_etag_per_second"] = (addresses["nginx"], bare, 304)
    asked["nginx_200_gzip_per_second"] = (addresses["nginx"], {}, 200)
    rounds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(times):
        for name, (url, headers, status) in asked.items():
            rounds[name].append(rate(url, headers, status))
    figures = {name: statistics.median(rates) for name, rates in rounds.items()}
    for server in ("ours", "nginx_tree"):
        for status in ("304_by_etag", "200_gzip"):
            ratio = figures[f"{server}_{status}_per_second"] / figures[f"nginx_{status}_per_second"]
            figures[f"ratio_{status[:3]}_{'nginx' if server == 'ours' else server}"] = round(ratio, 3)
    for other in ("django", "fastapi_feedgen"):
        figures[f"times_{other}"] = figures["ours_200_gzip_per_second"] / figures[f"{other}_200_gzip_per_second"]
    return figures


def many(running: ExitStack, db: Database, few: str, feeds: int, times: int) -> dict[str, float]:
    """The same ledger with so many feeds more: start, poll, memory once each was fetched (twice the LRU), publish."""
    with db.transaction() as session:
        like = session.scalars(select(Feed).where(Feed.name == "s1")).one()
        known = [attribute.key for attribute in inspect(Feed).column_attrs]
        kept = {key: getattr(like, key) for key in known if key not in ("id", "name", "series_ids")}
        first = 1_000
        numbers = range(first, first + feeds)
        session.execute(insert(Feed), [{**kept, "id": n, "name": f"f{n}", "series_ids": [n]} for n in numbers])
        columns = [c for c in Artifact.__table__.columns if c.name != "feed_id"]
        for start in range(first, first + feeds, 100):
            mine = Feed.id.between(start, min(start + 99, first + feeds - 1))
            hundred = select(Feed.id, *columns).join(Artifact, Artifact.feed_id == like.id).where(mine)
            session.execute(insert(Artifact).from_select(["feed_id", *(c.name for c in columns)], hundred))
    port, base = _port_and_base()
    url = f"{base}/feeds/f{first}.atom"
    process, start = running.enter_context(serving(granian(port), url, **environment(db, few.rpartition("/feeds")[0])))
    with requests.Session() as session:
        for n in numbers:
            answer = session.get(f"{base}/feeds/f{n}.atom", headers={"Accept-Encoding": "gzip"}, timeout=5)
            assert answer.status_code == 200
    family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    resident = sum(one.memory_info().rss for one in family)
    tag = requests.get(url, headers={"Accept-Encoding": "gzip"}, timeout=5).headers["etag"]
    asked = {"Accept-Encoding": "gzip", "If-None-Match": tag}
    here, there = [], []
    few_tag = requests.get(few, headers={"Accept-Encoding": "gzip"}, timeout=5).headers["etag"]
    for _ in range(times):
        here.append(rate(url, asked, 304))
        there.append(rate(few, asked | {"If-None-Match": few_tag}, 304))
    took = []
    for n in range(101, 106):
        began = time.perf_counter()
        publish(db, few.rpartition("/feeds")[0], [n])
        took.append(time.perf_counter() - began)
    return {
        "many_feeds": feeds,
        "many_cold_start_seconds": start,
        "many_resident_mb": resident / 1e6,
        "many_304_by_etag_per_second": statistics.median(here),
        "many_ratio_304_to_few": statistics.median(here) / statistics.median(there),
        "many_publish_ms": statistics.median(took) * 1000,
    }


if __name__ == "__main__":
    main()
