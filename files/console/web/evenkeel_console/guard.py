"""Whether a request may be one of the console's own pages or of a client: by its headers. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

_SAFE = frozenset({"GET", "HEAD"})
_OWN = frozenset({"same-origin", "none"})


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        status: of the answer.
        line: what is wrong and what to do.
    """

    status: int
    line: str


def check_host(host: str, known: Collection[str]) -> Refusal | None:
    """Refuse a name that is not ours: a page elsewhere may have let its own name lead here (DNS rebinding).

    Args:
        host: the Host header.
        known: names that lead here.
    """
    name = _name(host)
    if name in known or _is_address(name):
        return None
    return Refusal(421, f"Host: got '{host[:80]}', want a known name (fix: console_hosts: [{name[:80]}])")


def is_link(method: str, path: str, mode: str, target: str, purpose: str) -> bool:
    """Whether a person comes to the page, which is without data, by a link of another page.

    Args:
        method: of the request.
        path: that is asked for.
        mode: the header Sec-Fetch-Mode.
        target: the header Sec-Fetch-Dest.
        purpose: the header Sec-Purpose; not empty where the browser asks ahead, without a person.
    """
    return (method, path, mode, target, purpose) == ("GET", "/", "navigate", "document", "")


def check_origin(method: str, host: str, origin: str, site: str, origins: Collection[str]) -> Refusal | None:
    """Refuse what another page lets the browser send.

    Args:
        method: of the request.
        host: the Host header.
        origin: the Origin header; empty for none.
        site: the header Sec-Fetch-Site; empty for none, as of clients and of pages without TLS.
        origins: further origins by which people come here, such as those of a proxy with TLS.
    """
    if site and site not in _OWN and not (origin and origin in origins):
        return Refusal(403, f"Sec-Fetch-Site: got '{site[:20]}', want a page of the console (fix: none)")
    if not origin or origin in origins:
        return None
    if method in _SAFE and site in _OWN:
        return None
    # The scheme is not compared: a proxy may end TLS.
    try:
        place = urlsplit(origin).netloc.lower()
    except ValueError:
        place = ""
    if place == host.lower():
        return None
    if not place:
        # Also "null", which any page without an origin sends: it must never become a known one.
        return Refusal(403, f"Origin: got '{origin[:80]}', want {host[:80]} (fix: send the request from the console)")
    return Refusal(403, f"Origin: got '{origin[:80]}', want {host[:80]} (fix: console_origins: [{origin[:80]}])")


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
