"""Where an endpoint is, whether a key may go there, and what no message may show of both."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from langsteer.errors import LangsteerError

EXAMPLE = "http://localhost:8000/v1"
HIDDEN = "***"
UNUSABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Address:
    """The checked base address of an API, and the secrets that go there.

    `url` may hold a user and a password, which `shown` leaves out.
    """

    url: str
    shown: str
    key: str | None
    loopback: bool
    secrets: tuple[str, ...]

    def redacted(self, text: str) -> str:
        """The text without the key and the password, however the server wrote them."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def read_address(url: str, key: str | None, *, send_key: bool = False) -> Address:
    """Check the base address of an API and the key for it.

    Args:
        url: such as ``http://localhost:8000/v1``.
        key: goes into the header ``Authorization``; white space around it is dropped.
        send_key: let secrets also go over connections that are not encrypted.

    Raises:
        LangsteerError: the address or the key cannot be used, or the key would be sent in the open
            to another machine.
    """
    given = url.strip()
    parts, shown = _parts(given)
    key = (key or "").strip() or None
    if key is not None and not KEY.fullmatch(key):
        raise LangsteerError(
            "The API key holds a line feed, a space or another character that no key has. Check "
            "OPENAI_API_KEY; the key is not shown here."
        )
    loopback = _is_loopback(parts.hostname or "")
    secret = key is not None or parts.password is not None
    if secret and parts.scheme != "https" and not loopback and not send_key:
        raise LangsteerError(
            f"{shown} is neither https nor this machine, so anyone on the way could read the key "
            "(OPENAI_API_KEY or a password in the address). Use https, unset the key, or allow it "
            "with --send-key."
        )
    return Address(given.rstrip("/"), shown.rstrip("/"), key, loopback, _secrets(parts, key))


def _parts(url: str) -> tuple[SplitResult, str]:
    """The parts of an address, and the address without user, password and query."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong(_bare(url)) from None
    usable = parts.scheme in ("http", "https") and host and port != 0 and not parts.fragment
    if UNUSABLE.search(url) or not usable or parts.query:
        raise _wrong(_bare(url))
    return parts, _bare(url)


def _bare(url: str) -> str:
    """An address, however wrong, without what stands before an @ and after a ? or #."""
    scheme, sign, rest = url.rpartition("://") if "://" in url else ("", "", url)
    _, at, after = rest.rpartition("@")
    return f"{scheme.rpartition('@')[2]}{sign}{re.split('[?#]', after if at else rest)[0]}"


def _wrong(shown: str) -> LangsteerError:
    return LangsteerError(
        f"{shown[:200]!r} is not the base address of an API. Give one such as {EXAMPLE}: http or "
        "https, a host, if need be a port from 1 to 65535, and no query."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secrets(parts: SplitResult, key: str | None) -> tuple[str, ...]:
    """Every form in which the key or the password may be sent back, the longest first."""
    plain = [key] if key else []
    if parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password)
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        plain += [parts.password, password, login]
    every = {form for one in plain for form in (one, quote(one, safe=""), ascii(one)[1:-1])}
    return tuple(sorted(every, key=lambda one: (-len(one), one)))
