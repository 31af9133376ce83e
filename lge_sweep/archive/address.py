"""Where an archive is and who asks: what a user says of it is checked here before anything is sent."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from lge_sweep.errors import ConfigError
from lge_sweep.text import shorten

USER, PASSWORD, TOKEN = "LGE_SWEEP_DICOMWEB_USER", "LGE_SWEEP_DICOMWEB_PASSWORD", "LGE_SWEEP_DICOMWEB_TOKEN"
_UID_PATTERN = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)+")
_EXPECTED_ADDRESS = "expected the root of a DICOMweb service, such as https://HOST/dicom-web"


@dataclass(frozen=True)
class Credentials:
    """Who asks: a name with a password, a token, or neither. They are in no repr.

    Attributes:
        user: the name, "" for none.
        password: its password.
        token: a bearer token, "" for none.
    """

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.user or self.token)


def read_address(url: str, plain_http: bool = False) -> str:
    """Return the root of an archive's DICOMweb service, without a slash at its end.

    Args:
        url: what the user wrote. It is not quoted in messages where it may hold a password or a token.
        plain_http: whether images and passwords may cross a network unencrypted.

    Raises:
        ConfigError: it is no such address, holds credentials, or is not encrypted and of another machine.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ConfigError(f"--dicomweb: an address is of ASCII letters, without spaces; {_EXPECTED_ADDRESS}")
    if any(sign in url for sign in "@?#"):
        raise ConfigError(
            "--dicomweb: the address holds a user, a password or parameters, which other users of this machine could "
            f"see; set {USER} and {PASSWORD}, or {TOKEN}, and give the address without them"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"--dicomweb: not an address (its host or its port); {_EXPECTED_ADDRESS}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--dicomweb: {shorten(url)}: {_EXPECTED_ADDRESS}")
    if parts.scheme == "http" and not plain_http and not is_loopback(parts):
        raise ConfigError(
            f"--dicomweb: http://{parts.hostname} is another machine, and images and passwords would cross the network "
            f"unencrypted; give https://, a tunnel (ssh -L 8042:127.0.0.1:{port or 80} {parts.hostname}, then "
            f"http://127.0.0.1:8042{parts.path}), or --plain-http if that network is yours alone"
        )
    return url.rstrip("/")


def is_loopback(parts: SplitResult) -> bool:
    """Tell whether an address is of this machine."""
    name = parts.hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def read_credentials(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials of the environment, the only place from which they are taken.

    Raises:
        ConfigError: only a part of them is set, or both kinds.
    """
    user, password, token = (environment.get(name, "") for name in (USER, PASSWORD, TOKEN))
    if token and (user or password):
        raise ConfigError(f"both {TOKEN} and {USER} or {PASSWORD} are set; unset the one that is not meant")
    if bool(user) != bool(password):
        lacking = PASSWORD if user else USER
        raise ConfigError(f"{lacking} is not set, its companion is; set both, or neither")
    if not all(text.isprintable() for text in (user, password, token)) or not token.isascii() or ":" in user:
        raise ConfigError(
            f"{USER}, {PASSWORD} or {TOKEN} holds a line end, or the name a colon, which cannot be sent; set it again"
        )
    return Credentials(user, password, token)


def read_uid(option: str, text: str) -> str:
    """Return a UID that a user wrote.

    Args:
        option: name of the option, for the message.
        text: what they wrote.

    Raises:
        ConfigError: it is none.
    """
    if not is_uid(text.strip()):
        raise ConfigError(
            f"{option}: {shorten(text)} is no UID; expected numbers with dots between them, at most 64 characters, "
            "such as 1.2.840.113619.2.1"
        )
    return text.strip()


def is_uid(text: object) -> bool:
    """Tell whether a text is a UID: it may then be part of an address and of a file's name."""
    return isinstance(text, str) and _UID_PATTERN.fullmatch(text) is not None
