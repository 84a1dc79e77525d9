"""Mail through a relay: one connection, kept for many messages; STARTTLS, TLS, AUTH, time limits.

Guarantees: a reply is judged at the step it answers; only a connection that broke after the whole message was handed over
leaves it unknown; before that nothing was accepted.
"""

from __future__ import annotations

import smtplib
import ssl
from urllib.parse import parse_qs, unquote, urlsplit

from syndication.errors import BadInput
from syndication.mail.reply import Step, judge
from syndication.mail.transport import Parcel, Receipt, TransportTrouble
from syndication.settings import LOOPBACK_HOSTS

_TLS_WISHES = ("required", "optional", "no")


class Relay:
    """`url`: smtp://user:pass@host:port?starttls=required|optional|no&helo=NAME&cafile=PATH, or smtps://….

    Without `starttls` it is optional to a relay on this machine and required elsewhere. `timeout` in seconds for each reply.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.host = parts.hostname or "127.0.0.1"
        self.tls = parts.scheme == "smtps"
        self.port = parts.port or (465 if self.tls else 25)
        self.user, self.password = unquote(parts.username or ""), unquote(parts.password or "")
        self.starttls = options.get("starttls", "optional" if self.host in LOOPBACK_HOSTS else "required")
        self.helo = options.get("helo")
        self.cafile = options.get("cafile")
        self.timeout = timeout
        self._smtp: smtplib.SMTP | None = None
        if self.starttls not in _TLS_WISHES or (unknown := set(options) - {"starttls", "helo", "cafile"}):
            wrong = f"starttls={self.starttls}" if self.starttls not in _TLS_WISHES else ", ".join(sorted(unknown))
            raise BadInput(
                f"the relay's address has {wrong};",
                where="SYNDICATION_MAIL_URL",
                remedy="known are starttls=required|optional|no, helo=NAME and cafile=PATH.",
            )

    def send(self, parcel: Parcel) -> Receipt:
        """One transaction. A connection that was closed while idle is opened anew, once, before anything is said."""
        smtp = self._ready()
        options = []
        if not parcel.recipient.isascii():
            if not smtp.has_extn("smtputf8"):
                return Receipt("failed", "the relay does not take addresses in this script (SMTPUTF8)")
            options = ["SMTPUTF8"]
        handed_over = False
        try:
            code, words = smtp.mail(parcel.sender, options)
            if not 200 <= code < 300:
                return self._refused("mail", code, words)
            code, words = smtp.rcpt(parcel.recipient)
            if not 200 <= code < 300:
                return self._refused("rcpt", code, words)
            code, words = smtp.docmd("DATA")
            if code != 354:
                return self._refused("data", code, words)
            smtp.send(_stuffed(parcel.data))
            handed_over = True
            code, words = smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            told = str(error) or type(error).__name__
            if handed_over:
                return Receipt("unknown", f"the connection ended before the relay answered: {told}")
            return Receipt("deferred", f"the connection ended before the mail was handed over: {told}")
        verdict = judge("end", code, words)
        if code == 421:
            self._drop()
        if verdict.state == "trouble":  # no answer that SMTP knows, after the message was handed over
            self._drop()
            return Receipt("unknown", verdict.reply)
        return Receipt(verdict.state, verdict.reply)

    def kept(self, name: str) -> bool | None:
        return None

    def close(self) -> None:
        if self._smtp is not None:
            try:
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                self._drop()
            self._smtp = None

    def _refused(self, step: Step, code: int, words: bytes) -> Receipt:
        verdict = judge(step, code, words)
        if verdict.state == "trouble":
            self._drop()
            raise self._trouble(f"answered {verdict.reply!r} to {step.upper()}")
        if self._smtp is not None:
            try:
                self._smtp.rset()
            except (OSError, smtplib.SMTPException):
                self._drop()
        return Receipt("deferred" if verdict.state == "deferred" else "failed", verdict.reply)

    def _ready(self) -> smtplib.SMTP:
        if self._smtp is not None:
            try:
                if 200 <= self._smtp.noop()[0] < 300:
                    return self._smtp
            except (OSError, smtplib.SMTPException):
                pass  # closed while idle: nothing was under way
            self._drop()
        try:
            self._smtp = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise self._trouble(f"cannot be used: {error}") from error
        return self._smtp

    def _connect(self) -> smtplib.SMTP:
        if self.tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, self.helo, timeout=self.timeout, context=self._context()
            )
        else:
            smtp = smtplib.SMTP(self.host, self.port, self.helo, timeout=self.timeout)
        try:
            smtp.ehlo_or_helo_if_needed()
            private = self.tls
            if not private and self.starttls != "no" and (self.starttls == "required" or smtp.has_extn("starttls")):
                smtp.starttls(context=self._context())
                smtp.ehlo()
                private = True
            if self.user:
                if not private and self.host not in LOOPBACK_HOSTS:
                    raise self._trouble("would get the password in clear")
                smtp.login(self.user, self.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.cafile)

    def _trouble(self, what: str) -> TransportTrouble:
        return TransportTrouble(
            f"the relay {self.host}:{self.port} {what};",
            where="SYNDICATION_MAIL_URL",
            remedy="nothing was sent; it is tried again.",
        )

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _stuffed(data: bytes) -> bytes:
    """RFC 5321 §4.5.2, with the end mark. `data` has CRLF line ends."""
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")
