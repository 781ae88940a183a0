"""Which proxy an address is reached by, and which addresses are this very machine."""

import sys
from pathlib import Path

import pytest

from src.config.environment import is_loopback, proxy_for, proxy_problems, proxy_secrets
from src.runtime.http import Proxy


def address_of(proxy: Proxy | None) -> tuple[str, str]:
    """Return variable and host, nothing of no proxy."""
    return (proxy.variable, proxy.host) if proxy else ("", "")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for kind in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{kind}_proxy", raising=False)
        monkeypatch.delenv(f"{kind}_PROXY".upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.255.0.7", "::1"])
def test_this_machine_is_known_by_its_addresses_and_its_one_name(host: str) -> None:
    """Whatever DNS says."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("x.localhost", "localhost.", "localhost.example.com", "127.1", "127.0.0.1.", "0x7f.1", "2130706433"),
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "::1%eth0", "::", "0.0.0.0", "10.0.0.1", "128.0.0.1", ""),
    ],
)
def test_what_only_looks_like_this_machine_is_not_taken_for_it(host: str) -> None:
    """DNS or a library decides where these lead."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("named", "url", "chosen"),
    [
        ({"HTTPS_PROXY": "http://one:1"}, "https://a.example", ("HTTPS_PROXY", "one:1")),
        ({"HTTPS_PROXY": "http://one:1"}, "http://a.example", ("", "")),
        ({"HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2"}, "https://a.example", ("https_proxy", "two:2")),
        ({"ALL_PROXY": "http://all", "HTTP_PROXY": "http://one"}, "https://a.example", ("ALL_PROXY", "all")),
        ({"ALL_PROXY": "http://all", "HTTP_PROXY": "http://one"}, "http://a.example", ("HTTP_PROXY", "one")),
        ({"HTTPS_PROXY": "one:1"}, "https://a.example", ("HTTPS_PROXY", "one:1")),
        ({"HTTPS_PROXY": " "}, "https://a.example", ("", "")),
        ({"ALL_PROXY": "http://all"}, "https://127.0.0.1:8443", ("", "")),
        ({"ALL_PROXY": "http://all"}, "http://localhost", ("", "")),
        ({"ALL_PROXY": "http://all"}, "http://[::1]:8000/rest", ("", "")),
        ({"ALL_PROXY": "http://all"}, "http://x.localhost", ("ALL_PROXY", "all")),
        ({"ALL_PROXY": "http://all"}, "", ("", "")),
    ],
)
def test_a_variable_is_chosen_by_the_address(
    environment: pytest.MonkeyPatch, named: dict[str, str], url: str, chosen: tuple[str, str]
) -> None:
    """The small letters win, as curl has it, and the scheme's own over that for all."""
    for name, value in named.items():
        environment.setenv(name, value)

    assert address_of(proxy_for(url)) == chosen


@pytest.mark.parametrize(
    ("excepted", "is_direct"),
    [
        ("*", True),
        ("kong.supabase.svc", True),
        (".svc", True),
        ("svc", True),
        ("*.supabase.svc", True),
        ("other.example, KONG.supabase.svc:8443", True),
        ("kong.supabase.svc:443", False),
        ("ong.supabase.svc", False),
        ("10.0.0.0/8", False),
        (" , .,*.", False),
        ("", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(
    environment: pytest.MonkeyPatch, excepted: str, is_direct: bool
) -> None:
    """A host, a domain with all that is in it, either with a port."""
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment.setenv("NO_PROXY", excepted)

    assert (proxy_for("https://kong.supabase.svc:8443") is None) == is_direct


@pytest.mark.parametrize(
    ("url", "is_direct"),
    [
        ("https://10.1.2.3", True),
        ("https://11.1.2.3", False),
        ("https://[fd00::1]", True),
        ("https://10.example", False),
    ],
)
def test_no_proxy_names_networks_too(environment: pytest.MonkeyPatch, url: str, is_direct: bool) -> None:
    """As clusters write them."""
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment.setenv("no_proxy", "10.0.0.0/8,fd00::/8")

    assert (proxy_for(url) is None) == is_direct


@pytest.mark.parametrize(
    "value", ["http://", "http://proxy:port", "http://proxy:0", "ftp://proxy", "http://a b", "http://pröxy", "http://["]
)
def test_what_is_no_proxys_address_is_named_without_its_value(environment: pytest.MonkeyPatch, value: str) -> None:
    """There may be a password in it."""
    environment.setenv("ALL_PROXY", value)

    (line,) = proxy_problems()
    environment.setenv("ALL_PROXY", "gopher://of-another-value")
    assert line.split()[0] == "ALL_PROXY"
    assert proxy_problems() == [line]


def test_a_socks_proxy_needs_its_package(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which is not among those that are installed."""
    environment.setenv("ALL_PROXY", "socks5://proxy.example:1080")

    (line,) = proxy_problems()
    (tmp_path / "socksio.py").touch()
    environment.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert (line.split()[0], "SOCKS" in line) == ("ALL_PROXY", True)
    assert proxy_problems() == []


def test_the_password_of_a_proxy_is_a_secret_in_every_form_that_it_is_sent_in(environment: pytest.MonkeyPatch) -> None:
    """As in the address, as it is meant, and with its name, as Basic encodes it."""
    environment.setenv("HTTPS_PROXY", "http://me:p%40ss@proxy.example:3128")
    environment.setenv("http_proxy", "http://me:abc@proxy.example:3128")

    assert {"p%40ss", "p@ss", "me:p@ss", "me:abc"} <= {*proxy_secrets()}
    assert "abc" not in proxy_secrets()
