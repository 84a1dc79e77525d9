"""Whether a relay would take our mail: connect, TLS, AUTH, and goodbye. Sends nothing."""

from __future__ import annotations

import smtplib
import ssl

from syndication.errors import BadInput
from syndication.logs import without_secrets
from syndication.mail.smtp import Relay

PROBE_SECONDS = 5.0
DISTRUST = "Name its authority with cafile=PATH, and its host as the certificate does."


def probe(url: str) -> tuple[str, str]:
    """(what is wrong, what to do) with the relay of this `mail_url`; both empty where it would take mail."""
    try:
        named = Relay(url, timeout=PROBE_SECONDS)
        context = ssl.create_default_context(cafile=named.cafile)
    except BadInput as error:
        return error.what.rstrip(";") + ".", f"In {error.where}: {error.remedy}"
    except OSError as error:
        return (
            f"the cafile of the relay's address cannot be read ({error.strerror}).",
            "Mend cafile= in SYNDICATION_MAIL_URL.",
        )
    host, port, wish = named.host, named.port, named.wish
    place = f"the relay {host}:{port}"
    try:
        relay = (
            smtplib.SMTP_SSL(host, port, timeout=PROBE_SECONDS, context=context)
            if wish.secure
            else smtplib.SMTP(host, port, timeout=PROBE_SECONDS)
        )
    except ssl.SSLError as error:
        return f"{place} does not speak TLS, or shows no certificate we trust ({error.reason}).", DISTRUST
    except (OSError, smtplib.SMTPException) as error:
        return f"{place} does not answer ({error}).", "Check its address, its port and the firewall."
    with relay:
        try:
            relay.ehlo(wish.helo)
            if not wish.secure and wish.starttls != "no" and relay.has_extn("starttls"):
                relay.starttls(context=context)
                relay.ehlo(wish.helo)
            elif not wish.secure and wish.starttls == "required":
                return (
                    f"{place} offers no STARTTLS.",
                    "Use its TLS port (smtps://), or say starttls=no where the way is yours.",
                )
            if wish.user:
                relay.login(wish.user, wish.password)
        except ssl.SSLError as error:
            return f"{place} shows no certificate we trust ({error.reason}).", DISTRUST
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
