"""A relay that is far away: a TCP proxy on loopback that holds every byte back for half a round trip, both ways.

`python bench/delay.py PORT TO_PORT ROUND_TRIP_SECONDS` runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys


class Side(asyncio.Protocol):
    """One end of a connection: what comes in goes out at `other`, `seconds` later."""

    def __init__(self, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.seconds = seconds
        self.other: Side | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.loop.call_later(self.seconds, self._pass_on, data)

    def connection_lost(self, error: Exception | None) -> None:
        self.loop.call_later(self.seconds, self._hang_up)

    def _pass_on(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def _hang_up(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


async def main(port: int, to: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()

    def accept() -> Side:
        near, distant = Side(seconds / 2), Side(seconds / 2)
        near.other, distant.other = distant, near
        connecting.add(task := loop.create_task(loop.create_connection(lambda: distant, "127.0.0.1", to)))
        task.add_done_callback(connecting.discard)
        return near

    connecting: set[asyncio.Task[object]] = set()
    server = await loop.create_server(accept, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
