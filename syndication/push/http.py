"""One request to an address that a stranger named: the dangerous edge, kept narrow.

Guarantees: no private, loopback, link-local, multicast or metadata address is connected to, however it is written, and the
address that was checked is the one connected to (requests-hardened resolves once and pins); no redirect is followed or looked
at; no proxy, cookie or netrc of ours is used; the whole exchange, looking the name up included, ends at `seconds`, whatever the
other side does; at most `LONGEST_BODY` bytes of an answer are read, and nothing unprintable of its words is kept.
"""

from __future__ import annotations

import contextlib
import heapq
import ipaddress
import itertools
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from syndication import clock
from syndication.errors import BadInput
from syndication.push.answer import Answer

LONGEST_BODY = 4_096
LONGEST_ADDRESS = 2_000
LONGEST_HOST = 253
USER_AGENT = "Syndication (WebSub)"
_GLOBAL_IPV6 = ipaddress.ip_network(
    "2000::/3"
)  # all that is given out; what lies outside is translated, local or nobody's
_T = TypeVar("_T")
_mine = threading.local()  # the deadline of the request this thread is making


def checked_address(url: str, what: str) -> str:
    """The address a stranger gave us to call, or BadInput naming `what` is wrong with it. Where it leads to is checked
    when it is called."""

    def wrong(why: str) -> BadInput:
        return BadInput(f"{what} {why};", remedy="give an absolute http or https address that the internet can reach.")

    if len(url) > LONGEST_ADDRESS or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise wrong(f"is longer than {LONGEST_ADDRESS} characters or has blanks or raw non-ASCII in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise wrong("is no address") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(parts.hostname) > LONGEST_HOST or port == 0:
        raise wrong("is no http address")
    if parts.username is not None or parts.password is not None:
        raise wrong("carries a user name")
    if parts.fragment:
        raise wrong("has a fragment")
    return url


def host_of(url: str) -> str:
    """Whose machine an address names, however it is written; whatever the port."""
    return (urlsplit(url).hostname or "").rstrip(".")[:LONGEST_HOST]


class Caller:
    """Makes the requests; used by many threads at once. `to_loopback` is for development and tests."""

    def __init__(self, *, seconds: float, to_loopback: bool = False) -> None:
        self._seconds = seconds
        self._to_loopback = to_loopback
        self._deadlines = _Deadlines()
        self._threads = threading.local()

    def call(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer, or one with status 0 that says why there is none. Never raises for what the other side did."""
        _mine.deadlines, _mine.ends, _mine.twins = self._deadlines, clock.monotonic() + self._seconds, []
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
        try:
            with self._session().request(
                method, url, data=body, headers=sent, timeout=self._seconds, allow_redirects=False, stream=True
            ) as response:
                first = response.raw.read(LONGEST_BODY, decode_content=False) if method == "GET" else b""
                if clock.monotonic() >= _mine.ends:  # cut off within the headers it looks like their end
                    return self._too_late()
                return Answer(response.status_code, _printable(str(response.reason or ""))[:200], first)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            late = isinstance(error, TimeoutError) or clock.monotonic() >= _mine.ends
            return self._too_late() if late else Answer(0, _words(error))
        finally:
            for twin in _mine.twins:
                self._deadlines.release(twin)

    def _too_late(self) -> Answer:
        return Answer(0, f"no answer within {self._seconds:g} s")

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = _Session()
            session.trust_env = False  # no proxy, no netrc: it is a stranger's address
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # nothing is kept for them
            session.mount("http://", _Adapter(is_https_proto=False, allow_loopback=self._to_loopback))
            session.mount("https://", _Adapter(is_https_proto=True, allow_loopback=self._to_loopback))
            self._threads.session = session
        return session

    def close(self) -> None:
        self._deadlines.close()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: else `requests` reads the whole body of a redirect, and unpacks it, to prepare a request nobody makes."""


class _Deadlines:
    """Shuts connections down whose time is over. A time limit on each read would let a slow drip go on for ever."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, socket.socket]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, connection: socket.socket, ends: float) -> socket.socket:
        """A twin of the connection (the same one, whatever TLS makes of the object) to be given to `release`."""
        twin = connection.dup()
        with self._changed:
            heapq.heappush(self._waiting, (ends, next(self._count), twin))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="push deadlines", daemon=True)
                self._thread.start()
            if self._waiting[0][2] is twin:
                self._changed.notify()
        return twin

    def release(self, twin: socket.socket) -> None:
        with self._changed:
            twin.close()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                wait = self._waiting[0][0] - clock.monotonic() if self._waiting else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, twin = heapq.heappop(self._waiting)
                if twin.fileno() != -1:
                    with contextlib.suppress(OSError):
                        twin.shutdown(socket.SHUT_RDWR)
                    twin.close()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()


class _Watched(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _watched(super()._new_conn())


class _WatchedTls(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _watched(super()._new_conn())


def _watched(connection: socket.socket) -> socket.socket:
    _mine.twins.append(_mine.deadlines.watch(connection, _mine.ends))
    return connection


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


def _in_time(work: Callable[[], _T]) -> _T:
    """What `work` gives or raises; TimeoutError when this thread's time is over first. The system's resolver takes what time
    it likes: then it is left to itself, in a thread of its own that nobody waits for."""
    ended: Future[_T] = Future()

    def run() -> None:
        try:
            ended.set_result(work())
        except Exception as error:
            ended.set_exception(error)

    threading.Thread(target=run, name="push look-up", daemon=True).start()
    return ended.result(timeout=_mine.ends - clock.monotonic())


class _Adapter(IPFilterAdapter):  # type: ignore[misc]  # requests-hardened has no types
    """Pinned to the address that was checked, and watched."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        look_up = super().build_connection_pool_key_attributes
        host, pool = _in_time(lambda: look_up(*args, **kwargs))
        address = ipaddress.ip_address(host["host"].strip("[]"))
        if address.version == 6 and not address.is_loopback and address not in _GLOBAL_IPV6:
            raise InvalidIPAddress(address)
        return host, pool


def _words(error: Exception) -> str:
    if isinstance(error, InvalidIPAddress):
        return f"{_address_in(error)} is not an address of the public internet; nothing is sent there"
    return _printable(f"{type(error).__name__}: {error}")[:300]


def _printable(words: str) -> str:
    """A stranger's words as one line: a NUL among them could not be stored in PostgreSQL."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _address_in(error: Exception) -> str:
    found = error.args[0] if error.args else ""
    return str(found) if isinstance(found, ipaddress.IPv4Address | ipaddress.IPv6Address) else "the address"
