"""Which address a request comes from, where proxies pass it on. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from itertools import islice

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Proxies that a request may have passed.
MOST_PROXIES = 32


def client_of(peer: str, forwarded: str, proxies: Collection[Network]) -> str:
    """The client's address.

    Each proxy adds the address that it sees at the right end of the header. So the header is read from there, and only
    as far as known proxies have written it: what is further to the left is what the client claims.

    Args:
        peer: the address that the connection comes from.
        forwarded: the header X-Forwarded-For; empty for none.
        proxies: the networks of the known proxies.
    """
    if not _is_proxy(_read(peer), proxies):
        return peer
    for entry in islice(reversed(forwarded.split(",")), MOST_PROXIES):
        found = _read(entry.strip(" \t"))
        if found is None:
            break
        if not _is_proxy(found, proxies):
            return str(found)
    return peer


def _read(text: str) -> Address | None:
    # A zone is any text: with it, one address would have many names.
    if "%" in text:
        return None
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket of both families has IPv4 addresses in the form of IPv6.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _is_proxy(address: Address | None, proxies: Collection[Network]) -> bool:
    return address is not None and any(address in network for network in proxies)
