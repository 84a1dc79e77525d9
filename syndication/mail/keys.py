"""DKIM keys as files: made, read, and the record that each needs in the DNS.

The setting `dkim_keys` lists `selector=path` pairs. Of each kind (RSA, Ed25519) the first signs; the others only keep their
record published while mail that they signed is still under way. To rotate: make a key, publish its record, put it first, and
take the old one away a week later.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from syndication.errors import BadInput, Conflict, NeedsHuman
from syndication.mail.dkim import Key
from syndication.settings import Settings

Kind = Literal["rsa", "ed25519"]
SETTING = "SYNDICATION_DKIM_KEYS"
RSA_BITS = 2_048  # what every verifier takes and one TXT record holds
_LEAST_RSA_BITS = 1_024  # RFC 8301 §3.2
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def listed(settings: Settings, domain: str) -> list[Key]:
    """Every key of the setting, for mail from `domain`. Raises NeedsHuman, naming the pair that does not do."""
    keys = []
    for pair in filter(None, (part.strip() for part in settings.dkim_keys.split(","))):
        selector, equals, path = pair.partition("=")
        if not equals or not _SELECTOR.fullmatch(selector):
            raise BadInput(f"{pair!r} is no key;", where=SETTING, remedy="write selector=path, several with commas.")
        keys.append(Key(selector, settings.dkim_domain or domain, _private(settings.data_dir / path)))
    selectors = [key.selector for key in keys]
    if len(set(selectors)) < len(selectors):
        raise BadInput("a selector stands twice;", where=SETTING, remedy="each key has a selector of its own.")
    if keys and not aligned(settings.dkim_domain or domain, domain):
        raise NeedsHuman(
            f"mail from {domain} cannot be signed for {settings.dkim_domain}: no receiver would count it as aligned;",
            where="SYNDICATION_DKIM_DOMAIN",
            remedy=f"set it to {domain} or leave it empty, or change From in publication.toml.",
        )
    return keys


def signing(settings: Settings, domain: str) -> list[Key]:
    """The keys that sign: the first of each kind. Empty where none is set."""
    first: dict[str, Key] = {}
    for key in listed(settings, domain):
        first.setdefault(key.algorithm, key)
    return list(first.values())


def aligned(signing_domain: str, from_domain: str) -> bool:
    """Whether one is the other or lies below it: what DMARC's relaxed alignment can accept."""
    one, other = signing_domain.lower(), from_domain.lower()
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def record(key: Key) -> tuple[str, str]:
    """(name, text) of the TXT record that publishes the key."""
    public = key.private.public_key()
    if isinstance(key.private, RSAPrivateKey):
        kind, encoding, form = "rsa", serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    else:
        kind, encoding, form = "ed25519", serialization.Encoding.Raw, serialization.PublicFormat.Raw
    data = base64.b64encode(public.public_bytes(encoding, form)).decode("ascii")
    return f"{key.selector}._domainkey.{key.domain}", f"v=DKIM1; k={kind}; p={data}"


def make(directory: Path, selector: str, kind: Kind) -> Path:
    """A new private key, 0600, named by its selector. Raises Conflict where there is one already."""
    if not _SELECTOR.fullmatch(selector):
        raise BadInput(f"{selector!r} is no selector;", remedy="use small letters, digits and hyphens, such as s2026a.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{selector}.pem"
    private = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65_537, RSA_BITS)
    data = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise Conflict(
            f"{path} is there already;", remedy="choose another selector: keys are never replaced."
        ) from None
    return path


def unset(settings: Settings) -> list[str]:
    """`selector=path` of the keys that were made in the data directory and that the setting does not name."""
    named = {pair.strip().partition("=")[0] for pair in settings.dkim_keys.split(",")}
    files = sorted((settings.data_dir / "dkim").glob("*.pem"))
    return [
        f"{file.stem}={file.relative_to(settings.data_dir)}"
        for file in files
        if _SELECTOR.fullmatch(file.stem) and file.stem not in named
    ]


def _private(path: Path) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise NeedsHuman(
            f"the key cannot be read: {error.strerror};",
            where=f"{SETTING}, {path}",
            remedy="mend its path or its rights.",
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NeedsHuman(
            "this is no private key without a passphrase, in PEM;",
            where=f"{SETTING}, {path}",
            remedy="make one: `syndicate mail key SELECTOR`.",
        ) from error
    if isinstance(private, RSAPrivateKey) and private.key_size >= _LEAST_RSA_BITS:
        return private
    if isinstance(private, Ed25519PrivateKey):
        return private
    raise NeedsHuman(
        "DKIM takes RSA keys of 1,024 bits and more (2,048 is best) and Ed25519 keys;",
        where=f"{SETTING}, {path}",
        remedy="make one: `syndicate mail key SELECTOR`.",
    )
