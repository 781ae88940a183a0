"""Variables that other programs read too: NO_COLOR, SSL_CERT_FILE, HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.

httpx reads the proxies too, but would use one even for this very machine, and fail with a traceback where one is wrong.
"""

import os
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

from ..runtime.http import Proxy

_KINDS = ("https", "http", "all")
_PORTS = {"http": 80, "https": 443}
_SOCKS = ("socks5", "socks5h")
_SHORTEST_SECRET = 4
"""Characters of a password that is hidden wherever it stands; a shorter one is part of half the words of a log."""


def colours_are_wanted() -> bool:
    """Return whether NO_COLOR is unset or empty; only a terminal shows colours."""
    return not os.environ.get("NO_COLOR")


def authority_problems() -> list[str]:
    """Say that SSL_CERT_FILE names no readable file: Python would pass it over in silence."""
    path = os.environ.get("SSL_CERT_FILE")
    if not path or (os.path.isfile(path) and os.access(path, os.R_OK)):  # noqa: PTH113 - Path raises for some
        return []
    return ["SSL_CERT_FILE names a file that does not exist or may not be read; use an authority's certificate"]


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine whatever DNS says: localhost, 127.0.0.0/8 or ::1, in no other spelling."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return address == IPv6Address("::1") if isinstance(address, IPv6Address) else address.is_loopback


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy by which `url` is reached, None if it is reached directly, as this machine always is."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    if not host or is_loopback(host) or _is_excepted(host, port):
        return None
    return _named(parts.scheme) or _named("all")


def proxies_are_set() -> bool:
    """Return whether the environment names any proxy."""
    return bool(_all())


def proxy_problems() -> list[str]:
    """Say of each proxy of the environment that can't be used what is wrong and what is wanted, never its value."""
    found = []
    for proxy in _all():
        name, parts = proxy.variable, _parsed(proxy.address)
        if parts is None or parts.scheme not in (*_PORTS, *_SOCKS):
            found.append(f"{name} is not a proxy's address; use one like http://proxy.example.com:3128")
        elif parts.scheme in _SOCKS and find_spec("socksio") is None:
            found.append(f"{name} is a SOCKS proxy; use an http:// one, or the package socksio beside the others")
    return found


def proxy_secrets() -> list[str]:
    """List the passwords of the proxies, as they are written and as they are sent (RFC 7617)."""
    secrets = []
    for proxy in _all():
        parts = _parsed(proxy.address)
        if parts and parts.password:
            user, password = unquote(parts.username or ""), unquote(parts.password)
            secrets += [f"{parts.username}:{parts.password}@", f"{user}:{password}"]
            secrets += [text for text in (parts.password, password) if len(text) >= _SHORTEST_SECRET]
    return secrets


def _all() -> list[Proxy]:
    return [proxy for kind in _KINDS if (proxy := _named(kind))]


def _named(kind: str) -> Proxy | None:
    """Return the proxy that the environment names for one kind of address; one without a scheme speaks http."""
    for name in (f"{kind}_proxy", f"{kind}_proxy".upper()):
        if value := os.environ.get(name, "").strip():
            return Proxy(variable=name, address=value if "://" in value else f"http://{value}")
    return None


def _parsed(address: str) -> SplitResult | None:
    """Take an address apart; None if it is none."""
    with suppress(ValueError):
        parts = urlsplit(address)
        if parts.hostname and parts.port != 0 and address.isascii() and address.isprintable() and " " not in address:
            return parts
    return None


def _is_excepted(host: str, port: int) -> bool:
    """Return whether NO_PROXY names `host`: itself, a domain that it is in, or a network."""
    entries = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").lower().split(",")
    return any(_covers(entry.strip(), host, port) for entry in entries)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    with suppress(ValueError):
        return ip_address(host) in ip_network(entry, strict=False)
    name, _, its_port = entry.partition(":")
    name = name.removeprefix("*").strip(".")
    return bool(name) and its_port in ("", str(port)) and f".{host}".endswith(f".{name}")
