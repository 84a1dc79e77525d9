"""Whether a relay would take our mail: connect, TLS, AUTH, and goodbye. Sends nothing."""

from __future__ import annotations

import smtplib
import ssl
from urllib.parse import parse_qs, unquote, urlsplit

from syndication.logs import without_secrets
from syndication.settings import LOOPBACK_HOSTS

PROBE_SECONDS = 5.0


def probe(url: str) -> tuple[str, str]:
    """(what is wrong, what to do) with the relay of this `mail_url`; both empty where it would take mail."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host, secure = parts.hostname or "127.0.0.1", parts.scheme == "smtps"
    port = parts.port or (465 if secure else 25)
    wish = options.get("starttls", "optional" if host in LOOPBACK_HOSTS else "required")
    place = f"the relay {host}:{port}"
    try:
        context = ssl.create_default_context(cafile=options.get("cafile"))
    except OSError as error:
        return (
            f"the cafile of the relay's address cannot be read ({error.strerror}).",
            "Mend cafile= in SYNDICATION_MAIL_URL.",
        )
    try:
        relay = (
            smtplib.SMTP_SSL(host, port, timeout=PROBE_SECONDS, context=context)
            if secure
            else smtplib.SMTP(host, port, timeout=PROBE_SECONDS)
        )
    except (OSError, smtplib.SMTPException) as error:
        return f"{place} does not answer ({error}).", "Check its address, its port and the firewall."
    with relay:
        try:
            relay.ehlo_or_helo_if_needed()
            if not secure and wish != "no" and relay.has_extn("starttls"):
                relay.starttls(context=context)
                relay.ehlo()
            elif not secure and wish == "required":
                return (
                    f"{place} offers no STARTTLS.",
                    "Use its TLS port (smtps://), or say starttls=no where the way is yours.",
                )
            if parts.username:
                relay.login(unquote(parts.username), unquote(parts.password or ""))
        except ssl.SSLError as error:
            return (
                f"{place} does not show a certificate we trust ({error.reason}).",
                "Name its authority with cafile=PATH.",
            )
        except smtplib.SMTPAuthenticationError as error:
            said = (
                error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
            )
            return (
                f"{place} refuses the name and password ({error.smtp_code} {said}).",
                "Mend them in SYNDICATION_MAIL_URL.",
            )
        except (OSError, smtplib.SMTPException) as error:
            return f"{place} cannot be used ({without_secrets(str(error))}).", "Ask its operator."
    return "", ""
