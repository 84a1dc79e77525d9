"""A relay that is far away: a TCP proxy on loopback that holds every byte back for half a round trip, both ways.

`python bench/delay.py PORT TO_PORT ROUND_TRIP_SECONDS` runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys


async def _late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Passes on what comes, each piece `seconds` after it came."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(262_144):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def main(port: int, to: int, seconds: float) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(_late(reader, far_writer, seconds / 2), _late(far_reader, writer, seconds / 2))

    async with await asyncio.start_server(accept, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
