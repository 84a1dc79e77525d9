"""A machine on the other side: a real HTTP server on loopback that does what it is told and keeps what it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Got(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Machine:
    """`does`: path → what it answers: a status, `echo` (the challenge, with 200), `wrong` (another challenge), `more`, `hang`,
    `drip` (headers for ever), `flood` (a body for ever), `away:<url>` (a redirect), `away-flood` (one with a body for ever),
    `nul` (a status line with a NUL), `hold` (what it else would, once somebody came to a `release`). Else `echo` for GET and
    204 for POST. `poured` counts the bytes of bodies for ever, `dripped` the headers."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.does: dict[str, str | int] = {}
        self.poured = self.dripped = 0
        self.released = threading.Event()
        self.stop = threading.Event()
        machine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                machine.answer(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Not in the tests' output."""

        ThreadingHTTPServer.request_queue_size = 128  # else a burst is answered by dropped connections
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(to.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = to.rfile.read(int(to.headers.get("Content-Length") or 0))
        self.got.append(Got(to.command, to.path, query, {k.lower(): v for k, v in to.headers.items()}, body))
        does = self.does.get(parts.path, "echo" if to.command == "GET" else 204)
        if does == "release":
            self.released.set()
        elif does == "hold":
            self.released.wait(30)
        if does in ("release", "hold"):
            does = "echo" if to.command == "GET" else 204
        challenge = query.get("hub.challenge", "")
        said = {"echo": challenge, "more": f"{challenge} and more"}.get(str(does), "something else")
        try:
            match does:
                case "hang":
                    self.stop.wait(20)
                case "drip":
                    to.send_response(200)
                    to.flush_headers()
                    while not self.stop.wait(0.05):
                        to.wfile.write(b"X-Drip: drop\r\n")
                        self.dripped += 1
                case "flood" | "away-flood":
                    to.send_response(200 if does == "flood" else 302)
                    to.send_header("Location", "/elsewhere")
                    to.end_headers()
                    while not self.stop.is_set():
                        to.wfile.write(b"x" * 65_536)
                        self.poured += 65_536
                case "nul":
                    to.wfile.write(b"HTTP/1.1 500 O\0\x1b[31mK\r\nContent-Length: 0\r\n\r\n")
                case int(status):
                    self._say(to, status, b"")
                case str(away) if away.startswith("away:"):
                    to.send_response(307)
                    to.send_header("Location", away.removeprefix("away:"))
                    to.send_header("Content-Length", "0")
                    to.end_headers()
                case _:
                    self._say(to, 200, said.encode())
        except OSError:
            to.close_connection = True

    def _say(self, to: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        to.send_response(status)
        to.send_header("Set-Cookie", "a=b")
        if status != 204:
            to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    def at(self, path: str) -> list[Got]:
        """What came to a path."""
        return [got for got in self.got if urlsplit(got.path).path == path]


@contextmanager
def running() -> Iterator[Machine]:
    machine = Machine()
    thread = threading.Thread(target=machine.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield machine
    finally:
        machine.stop.set()
        machine.server.shutdown()
        machine.server.server_close()
        time.sleep(0)
