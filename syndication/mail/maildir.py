"""Mail into a maildir, for a laptop: the file's name is the delivery's, so sending twice leaves one file."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from syndication.mail.transport import PATIENCE, Outgoing, Parcel, Receipt, TransportTrouble


class Maildir:
    """A maildir at `path`, made where it is missing. Nothing is ever unknown here: `kept` looks."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def carry(self, outgoing: Outgoing, patience: float = PATIENCE) -> None:
        """See `Transport`: one by one, each asked for once more before it is written."""
        ends = time.monotonic() + patience
        while time.monotonic() < ends and (parcels := outgoing.next(1)):
            if all(outgoing.going(parcels)):
                outgoing.done([(parcel, self._keep(parcel)) for parcel in parcels])

    def _keep(self, parcel: Parcel) -> Receipt:
        """Writes tmp, syncs, renames into new: a reader sees a whole message or none."""
        if not self.kept(parcel.name):
            try:
                for folder in ("tmp", "new", "cur"):
                    (self.path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
                fresh = self.path / "tmp" / f"{parcel.name}.{socket.gethostname()}.{os.getpid()}"
                with fresh.open("wb") as file:
                    file.write(f"Return-Path: <{parcel.sender}>\r\n".encode() + parcel.data)
                    file.flush()
                    os.fsync(file.fileno())
                fresh.rename(self.path / "new" / parcel.name)
            except OSError as error:
                raise TransportTrouble(
                    f"the outbox cannot be written: {error.strerror};",
                    where=str(self.path),
                    remedy="make room, or mend its permissions.",
                ) from error
        return Receipt("sent", f"kept in the outbox as {parcel.name}")

    def kept(self, name: str) -> bool:
        """Also where a mail client has moved it to `cur` and put its flags behind the name."""
        if (self.path / "new" / name).exists() or (self.path / "cur" / name).exists():
            return True
        return any((self.path / "cur").glob(f"{name}:*"))

    def close(self) -> None:
        """Nothing is open between messages."""
