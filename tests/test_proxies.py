"""A proxy of the environment: for everything beyond this machine but mail, never for this machine."""

import base64
import re
import ssl
from collections.abc import Callable, Iterator

import pytest

from .builders import NO_TIME, OPTION, make_rows
from .conftest import Run
from .sandbox import CHATS, Sandbox
from .sandbox.monitor import CHECK
from .sandbox.proxy import DOMAIN, Proxy
from .test_run import assert_everyone_has

RunTool = Callable[..., Run]
PASSWORD = "p@ss/wörd"
LOGIN = "reports:p%40ss%2Fw%C3%B6rd"


def leading_to(sandbox: Sandbox) -> Proxy:
    """Make a proxy that leads to the sandbox's HTTP servers."""
    return Proxy({"supabase": sandbox.supabase, "telegram": sandbox.bot, "monitor": sandbox.monitor})


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    """A proxy that is spoken to in the clear."""
    proxy = leading_to(sandbox)
    with proxy.serving():
        yield proxy


def beyond(scheme: str) -> dict[str, str]:
    """Return the settings under which the HTTP servers lie beyond this machine."""
    return {
        "SUPABASE_URL": f"{scheme}://supabase.{DOMAIN}",
        "TELEGRAM_API_URL": f"{scheme}://telegram.{DOMAIN}",
        "HEARTBEAT_URL": f"{scheme}://monitor.{DOMAIN}/{CHECK}",
        "REPORT_ALLOW_HTTP": "true",
    }


@pytest.mark.parametrize(
    ("scheme", "variable"),
    [
        ("http", "HTTP_PROXY"),
        ("http", "http_proxy"),
        ("https", "HTTPS_PROXY"),
        ("https", "https_proxy"),
        ("https", "ALL_PROXY"),
    ],
)
def test_what_lies_beyond_this_machine_is_reached_by_the_proxy_with_its_login(
    sandbox: Sandbox, run: RunTool, proxy: Proxy, scheme: str, variable: str
) -> None:
    """Rows, report, alerts and monitor; email goes as always."""
    sandbox.speak(scheme)
    sandbox.supabase.insert(rows := make_rows(3))

    result = run(*OPTION, **beyond(scheme), **{variable: f"http://{LOGIN}@127.0.0.1:{proxy.port}"})

    login = base64.b64encode(f"reports:{PASSWORD}".encode()).decode()
    assert result.code == 0
    assert_everyone_has(sandbox, rows)
    assert {host for _, host, _ in proxy.asked} == {f"{name}.{DOMAIN}" for name in ("supabase", "telegram", "monitor")}
    assert {given for _, _, given in proxy.asked} == {f"Basic {login}"}
    assert {method == "CONNECT" for method, _, _ in proxy.asked} == {scheme == "https"}


@pytest.mark.parametrize(("name", "code"), [("127.0.0.1", 0), ("another.example", 1)])
def test_a_proxy_that_speaks_tls_has_to_show_a_certificate_of_its_name(
    sandbox: Sandbox, run: RunTool, name: str, code: int
) -> None:
    """Of the authority that everything is checked by."""
    sandbox.supabase.insert(make_rows(3))
    proxy, tls = leading_to(sandbox), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    sandbox.authority.issue_cert(name).configure_cert(tls)

    with proxy.serving(tls):
        result = run(*OPTION, **beyond("http"), HTTP_PROXY=f"https://127.0.0.1:{proxy.port}")

    assert result.code == code
    assert ("source.wrong_host" in result.keys) == bool(code)
    assert (len(sandbox.messages), bool(proxy.asked)) == ((0, False) if code else (len(CHATS), True))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_workbook_behind_a_link_goes_by_the_proxy_too(
    sandbox: Sandbox, run: RunTool, proxy: Proxy, scheme: str
) -> None:
    """Storage is beyond this machine as the table is."""
    sandbox.speak(scheme)
    sandbox.supabase.make_bucket("reports")

    check = run("--check", **beyond(scheme), REPORT_BUCKET="reports", ALL_PROXY=f"http://127.0.0.1:{proxy.port}")

    assert check.code == 0, check.output
    assert re.search(r"^OK +bucket +reports\b", check.output, re.MULTILINE)
    (line,) = re.findall(r"^NOTE settings .*$", check.output, re.MULTILINE)
    assert re.search(rf"\bSupabase\b[^.]* proxy 127\.0\.0\.1:{proxy.port}\b", line)
    assert re.search(r"\bEmail\b[^.]* directly\b", line)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_never_reached_by_a_proxy(sandbox: Sandbox, run: RunTool, proxy: Proxy, scheme: str) -> None:
    """It would be another machine's loopback, and hear the key."""
    sandbox.speak(scheme)
    sandbox.supabase.insert(rows := make_rows(3))
    address = f"http://127.0.0.1:{proxy.port}"

    result = run(*OPTION, HTTP_PROXY=address, HTTPS_PROXY=address, HEARTBEAT_URL=sandbox.monitor.check_url)

    assert (result.code, proxy.asked) == (0, [])
    assert_everyone_has(sandbox, rows)
    assert len(sandbox.monitor.pings) == 2


def test_a_proxy_that_is_down_is_named_instead_of_the_server(sandbox: Sandbox, run: RunTool) -> None:
    """With the variable that it stands in; its login stays unseen."""
    settings = beyond("https") | {"HTTPS_PROXY": f"http://{LOGIN}@127.0.0.1:1"}

    result = run(*OPTION, **settings, timeouts=NO_TIME)

    assert result.code == 1
    assert {*result.keys} == {"source.proxy", "telegram.proxy", "monitor.proxy"}
    assert all(one in result.log for one in ("127.0.0.1:1", "HTTPS_PROXY", "NO_PROXY"))
    assert "wörd" not in result.log + "".join(sandbox.alerts)
    assert "w%C3%B6rd" not in result.log + "".join(sandbox.alerts)


@pytest.mark.parametrize("status", [407, 403, 503])
def test_what_a_proxy_refuses_is_said_and_tried_again_only_if_it_may_pass(
    sandbox: Sandbox, run: RunTool, proxy: Proxy, status: int
) -> None:
    """A wrong login stays wrong; a gateway may come back."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    proxy.refusals = [status]
    settings = {"SUPABASE_URL": f"https://supabase.{DOMAIN}", "https_proxy": f"127.0.0.1:{proxy.port}"}

    result = run(*OPTION, **settings)

    is_final = status < 500
    assert result.keys == ["source.proxy"]
    assert f"127.0.0.1:{proxy.port} " in result.log
    assert f"HTTP {status}" in result.log
    assert (result.code, len(sandbox.messages)) == ((1, 0) if is_final else (0, len(CHATS)))
    assert ["https_proxy" in alert for alert in sandbox.alerts] == [True] * is_final


@pytest.mark.parametrize(
    "value", ["socks5://127.0.0.1:1080", "socks5h://127.0.0.1:1080", "ftp://127.0.0.1", "http://:1"]
)
def test_a_proxy_that_cannot_be_used_is_a_settings_error(sandbox: Sandbox, run: RunTool, value: str) -> None:
    """Exit 2 and a sentence, no traceback; nothing is contacted without it, and mail alerts as it can."""
    result = run(*OPTION, **beyond("https"), HTTPS_PROXY=value)

    assert result.code == 2
    assert "HTTPS_PROXY is " in result.log
    assert "Traceback" not in result.log
    assert "127.0.0.1" not in result.log
    assert sandbox.bot.requests == []
    assert ["HTTPS_PROXY is " in alert for alert in sandbox.alerts] == [True]
