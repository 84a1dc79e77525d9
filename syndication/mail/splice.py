"""A compiled mail is fixed runs of bytes with slots between them; `fill` puts one person's values in. Pure.

Guarantees: every fixed run is the one the gate counted (by hash, for each message); a value is checked against its slot's
alphabet and length, so it can neither end a header, nor break the quoted-printable around it, nor say anything of the notice:
slots in a body take URL-safe tokens only.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from syndication.errors import BadInput, GiveUp
from syndication.mail.dkim import Key, Piece, Stamp

HEADER, TOKEN_IN_HEADER, TOKEN_IN_BODY = "header", "token", "body"
LONGEST_TOKEN = 200  # what the size budget reckons with
LONGEST_HEADER = 2_000
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]+")
_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]|\r\n [\x21-\x7e])*")
_HEADER_UTF8 = re.compile(r"[^\x00-\x20\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f\u2028\u2029]|\r\n [\x21-\x7e])*")
_SOFT = b"=\r\n"
_WIDTH = 72


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for `name`; `kind` says where it lies: header | token (in a header) | body (quoted-printable)."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A whole message: `runs[0] slots[0] runs[1] … runs[-1]`. `digest` is what `seal` gave for the runs that were gated.

    `shortened` is the length that was needed: full, standfirst or title. `entries_left_out` counts those only counted.
    """

    runs: tuple[bytes, ...]
    slots: tuple[Slot, ...]
    digest: bytes
    subject: str
    shortened: str = "full"
    entries_left_out: int = 0


def seal(runs: tuple[bytes, ...], slots: tuple[Slot, ...]) -> bytes:
    """The hash of the fixed runs and of where the slots lie."""
    state = hashlib.sha256()
    for run in runs:
        state.update(b"%d:" % len(run))
        state.update(run)
    state.update("|".join(f"{s.name}/{s.kind}" for s in slots).encode())
    return state.digest()


class Form:
    """A compiled mail made ready for many people. Raises GiveUp where its runs are not those that were gated.

    The proof is taken when it is made and by `prove` again before each flight; in between, messages are put together from
    these very runs, which are immutable. With `keys` each message is signed, but for the header fields `unsigned`.
    """

    def __init__(self, compiled: Compiled, keys: Sequence[Key] = (), *, unsigned: Collection[str] = ()) -> None:
        self.compiled = compiled
        self.prove()
        self._slots = list(dict.fromkeys(compiled.slots))
        number = {slot: n for n, slot in enumerate(self._slots)}
        self._pieces: list[Piece] = [compiled.runs[0]]
        for slot, run in zip(compiled.slots, compiled.runs[1:], strict=True):
            self._pieces += (number[slot], run)
        self._stamp = Stamp(keys, *_parted(self._pieces), unsigned=unsigned) if keys else None

    def prove(self) -> None:
        """Hashes the runs again and compares with what the gate counted."""
        if seal(self.compiled.runs, self.compiled.slots) != self.compiled.digest:
            raise GiveUp(
                "the compiled mail is not the one that was checked;", remedy="nothing was sent; compile it again."
            )

    def message(self, values: Mapping[str, str], *, utf8_headers: bool = False, before: bytes = b"") -> bytes:
        """For one person. Raises BadInput for a value that does not fit its slot. `utf8_headers` (RFC 6532) only where the
        relay takes SMTPUTF8; `before` are header lines for the relay, not signed. No line begins with a dot, so none has
        to be doubled on the wire."""
        filled = [_value(slot, values, utf8_headers) for slot in self._slots]
        pieces = [filled[piece] if isinstance(piece, int) else piece for piece in self._pieces]
        return b"".join([before, self._stamp.fields(filled) if self._stamp is not None else b"", *pieces])


def _parted(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """The pieces of the header and those of the body, the empty line between them in neither."""
    for at, piece in enumerate(pieces):
        if isinstance(piece, bytes) and b"\r\n\r\n" in piece:
            head, _, body = piece.partition(b"\r\n\r\n")
            return [*pieces[:at], head + b"\r\n"], [body, *pieces[at + 1 :]]
    raise GiveUp("a compiled mail has no body;", remedy="nothing was sent; compile it again.")


def fill(compiled: Compiled, values: Mapping[str, str], *, utf8_headers: bool = False) -> bytes:
    """One message alone."""
    return Form(compiled).message(values, utf8_headers=utf8_headers)


def _value(slot: Slot, values: Mapping[str, str], utf8_headers: bool) -> bytes:
    value = values.get(slot.name, "")
    if slot.kind == HEADER:
        pattern, longest = (_HEADER_UTF8 if utf8_headers else _HEADER), LONGEST_HEADER
    else:
        pattern, longest = _TOKEN, LONGEST_TOKEN
    if not pattern.fullmatch(value) or len(value) > longest:
        raise BadInput(f"the value {value[:60]!r} does not fit the slot {slot.name!r} of a mail.")
    encoded = value.encode("utf-8")
    if slot.kind != TOKEN_IN_BODY:
        return encoded
    if len(encoded) <= _WIDTH:
        return _without_dot(encoded + _SOFT)
    lines = (encoded[i : i + _WIDTH] for i in range(0, len(encoded), _WIDTH))
    return b"".join(_without_dot(line) + _SOFT for line in lines)


def quoted(text: str, markers: Mapping[str, Slot]) -> tuple[list[bytes], list[Slot]]:
    """Text as quoted-printable runs, 7-bit, lines of at most 76, cut where a marker stands; one run more than slots.

    Each slot has lines of its own between soft breaks, so its length never moves anything else.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not markers:
        return [_printable(text)], []
    pieces = re.split("(" + "|".join(map(re.escape, markers)) + ")", text)
    slots = [markers[marker] for marker in pieces[1::2]]
    runs = [_printable(run) for run in pieces[0::2]]
    for i in range(len(runs) - 1):
        runs[i] = _open_ended(runs[i])
    return runs, slots


def _printable(text: str) -> bytes:
    encoded = binascii.b2a_qp(text.encode("utf-8"), quotetabs=False, istext=True, header=False)
    lines = encoded.replace(b"\r\n", b"\n").split(b"\n")
    return b"\r\n".join(map(_without_dot, lines))


def _without_dot(line: bytes) -> bytes:
    """The line, if it begins with a dot, written so that it does not (RFC 2049 §3), and still at most 76 long."""
    if not line.startswith(b"."):
        return line
    return b"=2E" + line[1:] if len(line) <= 74 else b"=2E" + _SOFT + _without_dot(line[1:])


def _open_ended(run: bytes) -> bytes:
    """The run with a soft break at its end, its last line still at most 76 characters."""
    start = run.rfind(b"\r\n") + 2 if b"\r\n" in run else 0
    last = run[start:]
    if not last:
        return run
    if len(last) > 75:
        cut = 70
        while b"=" in last[cut - 2 : cut]:  # never inside =XX
            cut -= 1
        last = last[:cut] + _SOFT + _without_dot(last[cut:])
    return run[:start] + last + _SOFT
