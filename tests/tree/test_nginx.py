"""docs/nginx.conf under a real nginx: from the tree comes what the service would say, and the rest comes from the service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from sqlalchemy import update

from syndication import publishing
from syndication.content import MediaFile
from syndication.ledger.content import Entry, Feed, Series
from syndication.renaming import rename_entry, rename_series
from syndication.tree.export import export
from syndication.wiring import Wiring
from tests.intake.test_images import saved
from tests.sink import free_port
from tests.web.live import serving
from tests.web.web_world import BASE, NewEntry

pytestmark = pytest.mark.sqlite_only
ROOT = Path(__file__).parents[2]
MAIN = """daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log; {user}
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {place}/t1; proxy_temp_path {place}/t2; fastcgi_temp_path {place}/t3;
  uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5; include {place}/site.conf; }}
"""
CODINGS = ("identity", "gzip", "br")


class Both(NamedTuple):
    """The same publication twice: by nginx over its tree, and by the service itself."""

    nginx: str
    service: str
    tree: Path


def nginx_at(place: Path, tree: Path, port: int, service_port: int) -> subprocess.Popen[bytes]:
    """nginx with the shipped configuration, its marked lines changed as it asks for."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program, "nginx is missing: scripts/setup"
    site = (ROOT / "docs/nginx.conf").read_text("utf-8")
    for old, new in (
        ("/srv/syndication", str(tree)),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/log/nginx/access.log", str(place / "access.log")),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{service_port};"),
    ):
        assert any("<<<" in line for line in site.splitlines() if old in line)
        site = site.replace(old, new)
    (place / "site.conf").write_text(site)
    user = "user root;" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(MAIN.format(place=place, user=user))
    return subprocess.Popen([program, "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")])


@pytest.fixture
def both(wiring: Wiring, new_entry: NewEntry, tmp_path: Path) -> Iterator[Both]:
    publishing.publish(wiring.db, BASE, [new_entry(f"e{n}", part=n + 1, draft=True) for n in range(42)])
    with wiring.db.transaction() as session:
        rename_entry(session, session.get_one(Entry, 1), "first")
        rename_series(session, session.get_one(Series, 2), "high-water")
    publishing.catch_up(wiring.db, BASE)
    shown = {"sha256": f"{7:064x}", "ext": "png", "width": 11, "height": 7, "alt": "A quay"}
    picture = MediaFile(sha256=f"{7:064x}", ext="png", width=11, height=7, data=saved("PNG", size=(11, 7)))
    new_entry("picture", media=picture, images=[shown], part=50)
    gone = new_entry("wrong", "high-water")
    publishing.withdraw(wiring.db, BASE, gone, reason="It was wrong.")
    tree, place = tmp_path / "tree", tmp_path / "nginx"
    place.mkdir()
    export(wiring, tree)
    port, service_port = free_port(), free_port()
    url = wiring.db.url
    with serving(url, tmp_path, service_port, base_url=BASE, trusted_proxies="127.0.0.1") as service:
        server = nginx_at(place, tree, port, service_port)
        try:
            for _ in range(100):
                try:
                    requests.get(f"http://127.0.0.1:{port}/robots.txt", timeout=5)
                    break
                except requests.ConnectionError:
                    assert server.poll() is None, (place / "error.log").read_text()
                    time.sleep(0.05)
            yield Both(f"http://127.0.0.1:{port}", service.base, tree)
        finally:
            server.terminate()
            server.wait(10)


def asked(
    address: str, coding: str = "identity", method: str = "GET", **headers: str
) -> tuple[requests.Response, bytes]:
    """An answer and its body as it came over the wire."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = requests.request(
        method, address, headers={"accept-encoding": coding, **named}, allow_redirects=False, stream=True, timeout=10
    )
    return answer, answer.raw.read(decode_content=False)


def places(both: Both) -> list[str]:
    archive = sorted(
        f"/{f.relative_to(both.tree)}" for f in both.tree.glob("feeds/all/archive/*.*") if f.suffix == ".atom"
    )
    assert archive
    feeds = [f"/feeds/{name}.{fmt}" for name in ("all", "ferries") for fmt in ("rss", "atom", "json")]
    return [*feeds, archive[0], "/feeds.opml", "/", "/series/ferries/", "/series/ferries/e3/", "/static/site.css",
            "/static/zone.js", "/robots.txt"]  # fmt: skip


def test_bytes_and_headers_are_those_of_the_service(both: Both) -> None:
    for path in places(both):
        for coding in CODINGS:
            here, body = asked(both.nginx + path, coding)
            there, same = asked(both.service + path, coding)
            where = (path, coding, here.headers)
            assert here.status_code == there.status_code == 200, where
            assert not here.headers["etag"].startswith("W/"), where
            if there.headers.get("content-encoding") or coding == "identity":
                assert body == same, where
                assert here.headers.get("content-encoding") == there.headers.get("content-encoding"), where
            assert here.headers["content-type"] == there.headers["content-type"], where
            for name in ("cache-control", "link", "access-control-allow-origin", "x-content-type-options"):
                if path.startswith("/feeds") or (name == "cache-control" and path.startswith(("/series", "/"))):
                    assert here.headers.get(name) == there.headers.get(name), (name, *where)
            if path == "/" or path.startswith("/series"):
                for name in ("content-security-policy", "referrer-policy", "permissions-policy"):
                    assert here.headers.get(name) == there.headers[name], (name, *where)
            if path.startswith("/feeds"):
                assert here.headers["vary"] == "accept-encoding", where
                assert "accept-ranges" not in here.headers, where


def test_no_key_of_an_address_is_in_the_log(both: Both, tmp_path: Path) -> None:
    for path in (
        "/feeds/key/S3CRET/feed.atom",
        "/confirm/S3CRET",
        "/unsubscribe/S3CRET?x=1",
        "/partners/c/S3CRET/feed.rss",
    ):
        requests.get(both.nginx + path, timeout=5)
    requests.get(f"{both.nginx}/feeds/all.atom?plain", timeout=5)
    log = (tmp_path / "nginx/access.log").read_text()
    assert "GET /feeds/key/.../feed.atom HTTP/1.1" in log
    assert "GET /unsubscribe/...?x=1 HTTP/1.1" in log
    assert "GET /feeds/all.atom?plain HTTP/1.1" in log
    assert "S3CRET" not in log


def test_a_validator_for_each_encoding(both: Both) -> None:
    for path in ("/feeds/all.rss", "/series/ferries/e3/"):
        tags = {}
        for coding in CODINGS:
            answer, _ = asked(both.nginx + path, coding)
            tags[coding] = answer.headers["etag"]
            date = answer.headers["last-modified"]
            assert parsedate_to_datetime(date) <= parsedate_to_datetime(answer.headers["date"])
            both_ways = {"If_None_Match": tags[coding], "If_Modified_Since": date}
            tag_alone = [{"If_None_Match": tag} for tag in (tags[coding], f'"x", W/{tags[coding]}', "*")]
            for wanted in (both_ways, *tag_alone, {"If_Modified_Since": date}):
                same, body = asked(both.nginx + path, coding, **wanted)
                assert (same.status_code, body) == (304, b""), (coding, wanted)
                assert same.headers["etag"] == tags[coding]
            earlier = format_datetime(parsedate_to_datetime(date) - timedelta(days=1), usegmt=True)
            for wanted in ({"If_None_Match": '"x"', "If_Modified_Since": date}, {"If_Modified_Since": earlier}):
                assert asked(both.nginx + path, coding, **wanted)[0].status_code == 200, wanted
        assert len(set(tags.values())) == 3
        assert asked(both.nginx + path, "gzip", If_None_Match=tags["identity"])[0].status_code == 200


def test_which_encoding(both: Both) -> None:
    wanted = {
        "br": "br", "gzip, deflate, br;q=1.0": "br", "br;q=0, gzip": "gzip", "br;q=0.0,gzip": "gzip", "zbr": None,
        "brotli": None, "gzip;q=0": None, "deflate": None, "BR": "br", "gzip,br;q=0.001": "br",
    }  # fmt: skip
    url = f"{both.nginx}/feeds/all.rss"
    assert {accept: asked(url, accept)[0].headers.get("content-encoding") for accept in wanted} == wanted


def test_head_and_ranges(both: Both) -> None:
    for path in ("/feeds/all.json", "/"):
        whole, body = asked(both.nginx + path, "gzip")
        head, nothing = asked(both.nginx + path, "gzip", "HEAD")
        assert nothing == b""
        assert {k: v for k, v in head.headers.items() if k != "Date"} == {
            k: v for k, v in whole.headers.items() if k != "Date"
        }
        ranged, all_of_it = asked(both.nginx + path, "gzip", Range="bytes=0-9")
        assert (ranged.status_code, all_of_it) == (200, body)


def test_a_player_gets_parts_of_media_from_both(both: Both) -> None:
    path = f"/media/{7:064x}.png"
    whole, body = asked(both.nginx + path)
    assert whole.status_code == 200
    for host in both[:2]:
        answer, part = asked(host + path, Range="bytes=4-9")
        assert (answer.status_code, part) == (206, body[4:10])
        assert answer.headers["content-range"] == f"bytes 4-9/{len(body)}"


def test_gone_absent_moved_and_the_services_own(both: Both, wiring: Wiring) -> None:
    for path in ("/series/high-water/wrong/", "/feeds/nothing.rss", "/nothing", "/series/ferries/e99/",
                 "/.syndication/state.json", "/.syndication/gone/series/high-water/wrong/index.html", "/series/ferries",
                 "/series/ferries/?page=2", "/healthz", "/subscribe", "/hub", "/partners/v1/entries",
                 "/feeds/all.atom/"):  # fmt: skip
        here, body = asked(both.nginx + path)
        there, same = asked(both.service + path)
        assert here.status_code == there.status_code, path
        assert here.headers.get("location") == there.headers.get("location"), path
        if path != "/subscribe" and not path.startswith("/.syndication"):  # a form carries the hour; nginx's own 404
            assert body == same, path
    answer, body = asked(f"{both.nginx}/series/high-water/wrong/")
    assert (answer.status_code, b"It was wrong." in body) == (410, True)
    posted = requests.post(f"{both.nginx}/subscribe", data={"email": "no address"}, timeout=10)
    assert (
        posted.status_code
        == requests.post(f"{both.service}/subscribe", data={"email": "no address"}, timeout=10).status_code
    )
    with wiring.db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "high-water").values(gone=True))
    export(wiring, both.tree)
    for _ in range(100):  # nginx looks at a file again after a second
        ended, body = asked(f"{both.nginx}/feeds/high-water.rss")
        if ended.status_code == 410:
            break
        time.sleep(0.05)
    assert (ended.status_code, body) == (410, b"This feed has ended.\n")
    assert ended.headers["cache-control"] == "public, max-age=3600"


def test_a_publish_shows_under_a_new_validator(both: Both, wiring: Wiring, new_entry: NewEntry) -> None:
    path = f"{both.nginx}/feeds/all.atom"
    before = asked(path, "gzip")[0].headers
    new_entry("storms")
    export(wiring, both.tree)
    for _ in range(100):
        after, body = asked(path, "gzip", If_None_Match=before["etag"])
        if after.status_code == 200:
            break
        time.sleep(0.05)
    assert parsedate_to_datetime(after.headers["last-modified"]) > parsedate_to_datetime(before["last-modified"])
    assert body == asked(f"{both.service}/feeds/all.atom", "gzip")[1]
    old = {"If_Modified_Since": before["last-modified"]}
    assert asked(path, "gzip", **old)[0].status_code == 200


def test_files_go_on_when_the_service_is_away(wiring: Wiring, new_entry: NewEntry, tmp_path: Path) -> None:
    publishing.withdraw(wiring.db, BASE, new_entry("tides"), reason="It was wrong.")
    export(wiring, tmp_path / "tree")
    place, port = tmp_path / "nginx", free_port()
    place.mkdir()
    server = nginx_at(place, tmp_path / "tree", port, free_port())
    try:
        for _ in range(100):
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/feeds/all.rss", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        assert answer.status_code == 200
        assert requests.get(f"http://127.0.0.1:{port}/series/ferries/tides/", timeout=5).status_code == 410
        away = requests.get(f"http://127.0.0.1:{port}/subscribe", timeout=5)
        assert (away.status_code, away.headers["retry-after"]) == (503, "60")
    finally:
        server.terminate()
        server.wait(10)
    assert not re.search(r"\[(emerg|crit|alert)\]", (place / "error.log").read_text())


def test_what_has_another_slug_leads_there_without_the_service(both: Both) -> None:
    for path, target in (
        ("/series/ferries/e0/", "/series/ferries/first/"),
        ("/series/floods/", "/series/high-water/"),
        ("/series/floods/wrong/", "/series/high-water/wrong/"),
        ("/feeds/floods.atom", "/feeds/high-water.atom"),
        ("/feeds/floods/", "/feeds/high-water/"),
    ):
        for host in both[:2]:
            answer, _ = asked(host + path)
            assert (answer.status_code, answer.headers["location"]) == (301, BASE + target), (host, path)
            assert "via" not in answer.headers
