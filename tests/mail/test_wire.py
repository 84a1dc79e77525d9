"""The wire without a socket: replies in any pieces, the opening, and a `Talk` against a model of a relay that answers, refuses
and breaks off at any point. Whatever the relay does, each message has one fate, and what it accepted is never given back."""

from __future__ import annotations

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndication.mail.talk import Job, Talk
from syndication.mail.transport import Parcel
from syndication.mail.wire import (
    STARTTLS,
    Features,
    Nonsense,
    Opening,
    Refused,
    Reply,
    ReplyReader,
    envelope,
    features,
    opening,
    stuffed,
)

REPLIES = [
    b"250 2.0.0 Ok: queued as 4ABC\r\n",
    b"250-relay\r\n250-SIZE 10\r\n250 OK\r\n",
    b"354\r\n",
    b"421 4.3.2 bye\n",
]


@given(st.lists(st.sampled_from(REPLIES), max_size=8), st.data())
def test_replies_are_the_same_in_whatever_pieces_they_come(replies: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(replies)
    reader, read = ReplyReader(), []
    while whole:
        cut = data.draw(st.integers(1, len(whole)))
        read += reader.feed(whole[:cut])
        whole = whole[cut:]
    assert read == [reply for one in replies for reply in ReplyReader().feed(one)]
    assert [reply.code for reply in read] == [int(one[:3]) for one in replies]
    assert reader.between_replies


@pytest.mark.parametrize(
    "garbage",
    [b"hello\r\n", b"25 ok\r\n", b"2500 ok\r\n", b"600 ok\r\n", b"250-a\r\n251 b\r\n", b"\r\n", b"x" * 5_000,
     b"250-" + b"x" * 5_000 + b"\r\n", b"250-x\r\n" * 300, b"HTTP/1.1 400 Bad Request\r\n", b"\x16\x03\x01\r\n"],
)  # fmt: skip
def test_what_is_no_reply_is_nonsense(garbage: bytes) -> None:
    with pytest.raises(Nonsense):
        ReplyReader().feed(garbage)


@given(st.binary(max_size=200))
def test_any_bytes_are_replies_or_nonsense(data: bytes) -> None:
    with suppress(Nonsense):
        assert all(200 <= reply.code < 600 for reply in ReplyReader().feed(data))


@given(st.binary(max_size=60))
def test_the_words_of_a_reply_hold_nothing_to_stumble_over(data: bytes) -> None:
    data = data.replace(b"\n", b"")
    for reply in ReplyReader().feed(b"250-" + data + b"\r\n250 " + data + b"\r\n250 " + data + b"\r\n"):
        assert {character for character in reply.words if unicodedata.category(character) == "Cc"} <= {"\t", "\n"}


def offered(text: str) -> Reply:
    return Reply(250, text)


def test_features_as_relays_write_them() -> None:
    found = features(offered("mx.example\nPIPELINING\nsize 1000\nAUTH=PLAIN LOGIN\nauth xoauth2\n8bitmime\nSIZE x"))
    assert {"PIPELINING", "8BITMIME", "AUTH"} <= found.names
    assert found.auth == {"PLAIN", "LOGIN", "XOAUTH2"}
    assert found.size == 1_000


def play(wish: Opening, *replies: Reply) -> tuple[list[object], Features]:
    """What the opening says to these replies, and what it ends with."""
    talk, said = opening(wish), []
    said.append(next(talk))
    for reply in replies:
        try:
            said.append(talk.send(reply))
        except StopIteration as end:
            return said, end.value
        if said[-1] is STARTTLS:
            said.append(next(talk))
    raise AssertionError("it wants to go on")


def test_what_was_offered_in_clear_counts_for_nothing_after_tls() -> None:
    said, found = play(
        Opening("us.example", "required", user="u", password="p"),
        Reply(220, "hello"), offered("x\nSTARTTLS\nCHUNKING\nAUTH LOGIN"), Reply(220, "go"), offered("x\nAUTH PLAIN"),
        Reply(235, "in"),
    )  # fmt: skip
    assert STARTTLS in said
    assert said[-1] == b"AUTH PLAIN AHUAcA==\r\n"
    assert "CHUNKING" not in found


def test_login_by_steps_and_an_old_relay() -> None:
    said, _ = play(
        Opening("us", "no", private=True, user="us", password="secret"),
        Reply(220, ""), offered("x\nAUTH LOGIN"), Reply(334, "VXNlcm5hbWU6"), Reply(334, "UGFzc3dvcmQ6"), Reply(235, ""),
    )  # fmt: skip
    assert said[-2:] == [b"dXM=\r\n", b"c2VjcmV0\r\n"]
    said, found = play(Opening("us"), Reply(220, ""), Reply(502, "what?"), Reply(250, "hello"))
    assert said[-1] == b"HELO us\r\n"
    assert found.names == frozenset()


@pytest.mark.parametrize(
    ("wish", "replies", "words"),
    [
        (Opening("us"), [Reply(554, "no")], "554"),
        (Opening("us"), [Reply(220, ""), Reply(421, "away")], "421"),
        (Opening("us", "required"), [Reply(220, ""), offered("x")], "STARTTLS"),
        (Opening("us", "required"), [Reply(220, ""), offered("x\nSTARTTLS"), Reply(454, "later")], "454"),
        (Opening("us", "no", user="u"), [Reply(220, ""), offered("x\nAUTH PLAIN")], "in clear"),
        (Opening("us", "no", private=True, user="u"), [Reply(220, ""), offered("x\nAUTH CRAM-MD5")], "neither"),
        (Opening("us", "no", private=True, user="u"), [Reply(220, ""), offered("x\nAUTH PLAIN"), Reply(535, "bad")], "535"),
    ],
)  # fmt: skip
def test_an_opening_that_lets_nobody_send_says_why(wish: Opening, replies: list[Reply], words: str) -> None:
    with pytest.raises(Refused, match=words):
        play(wish, *replies)


@pytest.mark.parametrize("path", ["a b@x", "a@x>\r\nRCPT TO:<evil@x", "a\n@x", "<a@x"])
def test_a_path_cannot_end_its_command(path: str) -> None:
    for sender, recipient in ((path, "p@x"), ("s@x", path)):
        with pytest.raises(Nonsense):
            envelope(sender, recipient)


@given(st.lists(st.sampled_from([b".", b"..", b"", b".x", b"x.", b"\xe9"]), min_size=1, max_size=8))
def test_stuffing_is_undone_by_the_rule_of_the_standard(lines: list[bytes]) -> None:
    data = b"\r\n".join([*lines, b""])
    sent = stuffed(data)
    assert sent.endswith(b"\r\n.\r\n") or sent == b".\r\n"
    assert sent.count(b"\r\n.\r\n") == (1 if sent != b".\r\n" else 0)
    back = [line[1:] if line.startswith(b".") else line for line in sent.removesuffix(b".\r\n").split(b"\r\n")]
    assert b"\r\n".join(back) == data


# -- a model of a relay

OFFERS = [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING")]
MISHAPS = ["fine", "mail5", "rcpt5", "rcpt4", "data4", "end4", "end5", "421", "drop", "drop after taking"]


class Model:
    """Reads what a `Talk` writes and answers as RFC 5321, 2920 and 3030 have it; `fates` by recipient."""

    def __init__(self, fates: dict[str, str]) -> None:
        self.fates = fates
        self.taken: list[str] = []
        self.input = b""
        self.recipient = ""
        self.valid = self.open = self.reading = self.gone = False

    def _fate(self) -> str:
        return self.fates.get(self.recipient, "fine")

    def feed(self, data: bytes) -> bytes:
        self.input += data
        answer = b""
        while not self.gone and (said := self._step()) is not None:
            answer += said
        return answer

    def _line(self) -> bytes | None:
        line, end, rest = self.input.partition(b"\r\n")
        if not end:
            return None
        self.input = rest
        return line

    def _end(self) -> bytes:
        self.open = False
        if not self.valid:
            return b"554 5.5.1 no valid recipients\r\n"
        fate = self._fate()
        if fate == "drop":
            self.gone = True
            return b""
        if fate in {"end4", "end5", "421"}:
            self.gone = fate == "421"
            return {"end4": b"450 busy\r\n", "end5": b"552 no\r\n", "421": b"421 away\r\n"}[fate]
        self.taken.append(self.recipient)
        if fate == "drop after taking":
            self.gone = True
            return b""
        return b"250-ok\r\n250 2.0.0 queued\r\n"

    def _step(self) -> bytes | None:
        if self.reading:
            if b"\r\n.\r\n" not in self.input and not self.input.startswith(b".\r\n"):
                return None
            _, _, self.input = (b"\r\n" + self.input).partition(b"\r\n.\r\n")
            self.reading = False
            return self._end()
        if self.input.startswith(b"BDAT"):
            line, end, rest = self.input.partition(b"\r\n")
            size = int(line.split()[1]) if end else 0
            if not end or len(rest) < size:
                return None
            self.input = rest[size:]
            valid = self.valid
            said = self._end()
            self.open = not valid  # only RSET ends what failed
            return said
        line = self._line()
        if line is None:
            return None
        verb = line[:4].upper()
        if verb == b"MAIL":
            if self.open:
                return b"503 nested MAIL\r\n"
            if line.endswith(b" SMTPUTF8"):
                self.valid = False
                return b"555 5.5.4 unsupported option: SMTPUTF8\r\n"
            self.open, self.valid = True, False
            return b"250 ok\r\n"
        if verb == b"RCPT":
            self.recipient = line.split(b"<")[1].split(b">")[0].decode()
            fate = self._fate()
            if not self.open:
                return b"503 5.5.1 need MAIL\r\n"
            self.valid = fate not in {"rcpt4", "rcpt5"}
            return {"rcpt4": b"451 later\r\n", "rcpt5": b"550 nobody\r\n"}.get(fate, b"250 ok\r\n")
        if verb == b"DATA":
            if self._fate() == "data4":
                return b"452 full\r\n"
            if not self.valid and self.lenient:
                self.reading = True
                return b"354 go\r\n"
            if not self.valid:
                return b"503 no recipients\r\n"
            self.reading = True
            return b"354 go\r\n"
        if verb == b"RSET":
            self.open = self.valid = False
            return b"250 ok\r\n"
        raise AssertionError(f"what is {line!r}?")

    lenient = False


@settings(max_examples=400, deadline=None)
@given(
    offers=st.sampled_from(OFFERS),
    window=st.integers(1, 4),
    fates=st.lists(st.sampled_from(MISHAPS), min_size=1, max_size=9),
    lenient=st.booleans(),
    chunk=st.integers(1, 4_000),
    refused_at_the_door=st.sets(st.integers(0, 8), max_size=2),
)
def test_each_message_has_one_fate_and_it_is_the_relays(
    offers: tuple[str, ...], window: int, fates: list[str], lenient: bool, chunk: int, refused_at_the_door: set[int]
) -> None:
    if "CHUNKING" in offers:
        fates = ["fine" if fate == "data4" else fate for fate in fates]  # there is no DATA
    names = [f"{'pé' if fate == 'mail5' else 'p'}{n}@x.example" for n, fate in enumerate(fates)]
    jobs = [Job(Parcel(f"{n}", "s@x.example", name, b"Subject: x\r\n\r\n.body\r\n")) for n, name in enumerate(names)]
    fate_of = dict(zip(names, fates, strict=True))
    model, talk = Model(fate_of), Talk(Features(frozenset((*offers, "SMTPUTF8"))), window)
    model.lenient = lenient
    waiting, told, withdrawn, written = list(jobs), {}, set(), 0
    back: list[Job] = []
    for _ in range(500):
        while waiting and talk.room > 0:
            talk.give(waiting.pop(0))
        for job in talk.door:
            if int(job.parcel.name) in refused_at_the_door:
                withdrawn.add(job.parcel.name)
                talk.withdraw(job)
            else:
                talk.hand_over(job)
        talk.door.clear()
        said = b"".join(talk.out)
        talk.out.clear()
        assert len(talk.jobs) <= max(window, 2)
        heard = b""
        for start in range(0, len(said), chunk):
            heard += model.feed(said[start : start + chunk])
        written += len(said)
        answers = talk.hear(heard)
        if model.gone or talk.over:
            more, back = talk.broke("gone", written)
            answers += more
        for parcel, receipt in answers:
            assert parcel.name not in told, "told twice"
            told[parcel.name] = receipt
        if model.gone or talk.over or (not waiting and not talk.jobs):
            break
    else:
        raise AssertionError("it came to no end")
    given_back = {job.parcel.name for job in back} | {job.parcel.name for job in waiting}
    assert set(told) | withdrawn | given_back == {job.parcel.name for job in jobs}
    assert not (set(told) & given_back)
    for job in jobs:
        name, taken = job.parcel.name, job.parcel.recipient in model.taken
        if taken:
            assert told[name].state in {"sent", "unknown"}, "accepted, and given back or failed"
        if name in told and told[name].state == "sent":
            assert taken
        if name in told and told[name].state == "failed":
            assert fate_of[job.parcel.recipient] in {"mail5", "rcpt5", "end5"}
        assert model.taken.count(job.parcel.recipient) <= 1
    assert talk.trouble == "", "one person's address is no trouble of the relay"
    unknown = [name for name, receipt in told.items() if receipt.state == "unknown"]
    assert len(unknown) <= (window if talk.windowed else 1)
    if "drop" not in fates and "drop after taking" not in fates:
        assert unknown == []


def test_a_relay_that_refuses_our_sender_fails_nobody() -> None:
    for offers in OFFERS:
        talk = Talk(Features(frozenset(offers)), 3)
        for n in range(talk.room):
            talk.give(Job(Parcel(f"{n}", "s@x", f"p{n}@x", b"a\r\n")))
        for job in talk.door:
            talk.hand_over(job)
        talk.door.clear()
        talk.hear(b"550 5.7.1 who are you?\r\n")
        while talk.waits and not talk.over:
            talk.hear(b"503 5.5.1 what?\r\n")
        assert "who are you" in talk.trouble
        assert talk.over
        told, back = talk.broke("x", 10_000)
        assert told == []
        assert back


@pytest.mark.parametrize("said", [b"220 hello again\r\n", b"354 what?\r\n", b"garbage\r\n", b"999 x\r\n"])
def test_an_end_answered_with_nonsense_is_unknown_and_hangs_up(said: bytes) -> None:
    talk = Talk(Features(frozenset({"PIPELINING"})))
    job = Job(Parcel("1", "s@x", "p@x", b"a\r\n"))
    talk.give(job)
    talk.hear(b"250 ok\r\n250 ok\r\n354 go\r\n")
    talk.hand_over(job)
    answers = []
    try:
        answers = talk.hear(said)
    except Nonsense:
        answers = talk.broke("nonsense", talk.queued)[0]
    if said.startswith(b"220"):
        assert answers[0][1].state == "sent"  # a success all the same
    else:
        assert answers[0][1].state == "unknown"
