"""Diagnose connection errors, by one table that all servers share; create the TLS context that they share too."""

import errno
import re
import socket
import ssl
from collections.abc import Container, Iterator
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from ..errors import Fault, ReportError, Rule
from .http import (
    AnswerEncodingError,
    AnswerTooLargeError,
    ConnectError,
    ConnectTimeout,
    ProxyError,
    TimeoutException,
    TransportError,
    request_proxy,
    request_url,
)
from .visible_text import foreign

Kind = Literal[
    "timed_out",
    "unknown_host",
    "refused",
    "unreachable",
    "broken",
    "not_tls",
    "old_tls",
    "no_cipher",
    "client_certificate",
    "untrusted",
    "wrong_host",
    "expired_certificate",
    "tls",
    "proxy",
    "answer_too_large",
    "answer_encoding",
]
GROUP = "Why a connection failed"


class ConnectionFailure(Struct, frozen=True, kw_only=True):
    """A failed connection: `reason` is a clause about the server, `remedy` a clause that says what to do.

    `kind` ends the problem's key, behind the server's prefix. `transient`: another attempt may help.
    """

    kind: Kind
    reason: str
    remedy: str
    transient: bool = True
    fault: Fault = "nobody"
    group: str = GROUP


class ConnectionRule(Rule, frozen=True, kw_only=True):
    """Matches one of `errors` behind the failure that has one of `codes`: see `_codes`.

    `by_proxy`: only where a proxy is used. `in_handshake`: only before TLS worked. Reason and remedy are clauses.
    """

    key: Kind
    fault: Fault = "nobody"
    later: bool = True
    group: str = GROUP
    errors: tuple[type[BaseException], ...]
    codes: Container[object] | None = None
    by_proxy: bool = False
    in_handshake: bool = False

    def matches(self, cause: BaseException) -> bool:
        """Return whether `cause` is one of the errors that the rule is about."""
        codes = self.codes
        return isinstance(cause, self.errors) and (codes is None or any(code in codes for code in _codes(cause)))


class FinalRule(ConnectionRule, frozen=True, kw_only=True):
    """A rule for what lasts until somebody on our side acts."""

    fault: Fault = "ours"
    later: bool = False


_CERTIFICATE, _TLS = (ssl.SSLCertVerificationError,), (ssl.SSLError,)
_NO_ROUTE = {
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN),
    *(errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES),
}
_BROKEN = ConnectionRule(
    key="broken",
    reason="the connection broke off",
    remedy="Check the server's log and the network in between",
    errors=(BaseException,),
)
CONNECTION_RULES = (
    FinalRule(
        key="untrusted",
        reason="its certificate is not trusted",
        remedy="Set SSL_CERT_FILE to a file with the certificate of the authority that signed it",
        errors=_CERTIFICATE,
        codes={2, 18, 19, 20, 21},  # X509_V_ERR_…: no issuer, signed by itself, or by an unknown authority
    ),
    FinalRule(
        key="wrong_host",
        reason="its certificate is for another host name",
        remedy="Correct the host name in {address}",
        errors=_CERTIFICATE,
        codes={62, 63, 64},
    ),
    FinalRule(
        key="expired_certificate",
        reason="its certificate has expired or is not valid yet",
        remedy="Renew the server's certificate, or correct this machine's clock",
        errors=_CERTIFICATE,
        codes={9, 10},
    ),
    FinalRule(
        key="untrusted",
        reason="its certificate is not trusted",
        remedy="Replace the server's certificate",
        errors=_CERTIFICATE,
    ),
    FinalRule(
        key="proxy",
        reason="the proxy {proxy} refused to connect to it",
        remedy="Check {variable}; NO_PROXY lists the hosts that are reached without a proxy",
        errors=(ProxyError,),
        codes=range(400, 500),
    ),
    ConnectionRule(
        key="proxy",
        reason="the proxy {proxy} could not connect to it",
        remedy="Check the proxy; NO_PROXY lists the hosts that are reached without one",
        errors=(ProxyError,),
    ),
    ConnectionRule(
        key="proxy",
        reason="the proxy {proxy} can't be reached",
        remedy="Check {variable}; NO_PROXY lists the hosts that are reached without a proxy",
        errors=(ConnectionRefusedError, socket.gaierror),  # a client that uses a proxy connects to nothing else
        by_proxy=True,
    ),
    ConnectionRule(
        key="timed_out",
        reason="it did not answer in time",
        remedy="Check the server's load and the network in between",
        errors=(TimeoutError, TimeoutException),
    ),
    ConnectionRule(
        key="unknown_host",
        reason="its host name is not known",
        remedy="Check the host name in {address}, and that DNS works on this machine",
        fault="ours",
        errors=(socket.gaierror,),
        codes={-2, -5},  # EAI_NONAME, EAI_NODATA; not every C library has a name for the second
    ),
    ConnectionRule(
        key="unknown_host",
        reason="its host name could not be looked up",
        remedy="Check that DNS works on this machine",
        errors=(socket.gaierror,),
    ),
    replace(
        _BROKEN,
        errors=_TLS,
        codes={
            *("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "SSLV3_ALERT_BAD_RECORD_MAC", "RECORD_LAYER_FAILURE"),
            *("BAD_DECRYPT", "DECRYPTION_FAILED", "TLSV1_ALERT_DECRYPTION_FAILED", "TLSV1_ALERT_RECORD_OVERFLOW"),
            *("TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_USER_CANCELLED"),
        },
    ),
    FinalRule(
        key="client_certificate",
        reason="it requires a client certificate, and this program has none",
        remedy="Let the server accept connections without a client certificate",
        errors=_TLS,
        codes={
            *("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_NO_CERTIFICATE", "SSLV3_ALERT_BAD_CERTIFICATE"),
            *("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "TLSV1_ALERT_UNKNOWN_CA"),
            *("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_REVOKED", "TLSV1_ALERT_ACCESS_DENIED"),
        },
    ),
    FinalRule(
        key="not_tls",
        reason="it does not speak TLS on that port",
        remedy="Correct the port in {address}",
        errors=_TLS,
        codes={"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"},
        in_handshake=True,
    ),
    FinalRule(
        key="old_tls",
        reason="it supports no version of TLS that is safe",
        remedy="Enable TLS 1.2 or TLS 1.3 on the server",
        errors=_TLS,
        codes={
            *("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW"),
            *("UNSUPPORTED_SSL_VERSION", "WRONG_SSL_VERSION", "TLSV1_ALERT_INAPPROPRIATE_FALLBACK"),
            "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
        },
        in_handshake=True,
    ),
    FinalRule(
        key="no_cipher",
        reason="it supports no encryption that is safe enough",
        remedy="Enable current ciphers and keys of at least 2,048 bits on the server",
        errors=_TLS,
        codes={
            *("SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_INSUFFICIENT_SECURITY", "TLSV1_ALERT_EXPORT_RESTRICTION"),
            *("NO_SHARED_CIPHER", "NO_CIPHERS_AVAILABLE", "NO_CIPHER_MATCH", "WRONG_CIPHER_RETURNED"),
            *("UNKNOWN_CIPHER_RETURNED", "NO_SUITABLE_KEY_SHARE", "NO_SUITABLE_SIGNATURE_ALGORITHM"),
            *("NO_SHARED_SIGNATURE_ALGORITHMS", "WRONG_SIGNATURE_TYPE", "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL"),
            "MODULUS_TOO_SMALL",
        },
        in_handshake=True,
    ),
    ConnectionRule(
        key="tls",
        reason="no TLS connection could be made",
        remedy="Check the server's TLS, and any proxy in between",
        errors=_TLS,
        in_handshake=True,
    ),
    ConnectionRule(
        key="refused",
        reason="nothing listens on that port",
        remedy="Check that the server is running, and that the port is right",
        errors=(OSError,),
        codes={errno.ECONNREFUSED},
    ),
    ConnectionRule(
        key="unreachable",
        reason="there is no route to it",
        remedy="Check this machine's network and its firewall",
        errors=(OSError,),
        codes=_NO_ROUTE,
    ),
    FinalRule(
        key="answer_too_large",
        reason="its answer is too large",
        remedy="Check which server answers, and any proxy in between",
        errors=(AnswerTooLargeError,),
    ),
    FinalRule(
        key="answer_encoding",
        reason="its answer is in an encoding that was not requested",
        remedy="Check which server answers, and any proxy in between",
        errors=(AnswerEncodingError,),
    ),
    _BROKEN,
)
"""What a failed connection means: the first rule that matches counts, and the last one matches everything."""
_NO_REASONS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors of TLS that tell only that the connection ended, or that data was being waited for."""
_WHILE_CONNECTING = (ConnectError, ConnectTimeout, ProxyError)


def tls_context() -> ssl.SSLContext:
    """Make a context that verifies certificate and host name; SSL_CERT_FILE names another authority."""
    return ssl.create_default_context()


def diagnose(error: BaseException, *, address: str = "the address", is_open: bool = False) -> ConnectionFailure:
    """Find out why a connection failed, looking through the exceptions that `error` came from.

    `address` is the setting that names the server. `is_open`: the connection had been made, with its TLS, when it
    failed; most errors of httpx say so themselves.
    """
    causes = [cause for cause in _causes(error) if not isinstance(cause, _NO_REASONS)]
    of_httpx = [cause for cause in causes if isinstance(cause, TransportError)]
    is_open = is_open or bool(of_httpx and not any(isinstance(cause, _WHILE_CONNECTING) for cause in of_httpx))
    proxy = next((found for cause in causes if (found := request_proxy(cause))), None)
    rules = [rule for rule in CONNECTION_RULES if not (rule.in_handshake and is_open)]
    rules = [rule for rule in rules if proxy or not rule.by_proxy]
    pairs = ((rule, cause) for rule in rules for cause in causes if rule.matches(cause))
    rule, cause = next(pairs, (_BROKEN, error))
    detail = _detail(rule, cause, causes)
    facts = {"address": address, "variable": proxy.variable if proxy else "", "proxy": proxy.host if proxy else ""}
    return ConnectionFailure(
        kind=rule.key,
        reason=rule.reason.format_map(facts) + (f" ({detail})" if detail else ""),
        remedy=rule.remedy.format_map(facts),
        transient=rule.later,
        fault=rule.fault,
    )


def _codes(cause: BaseException) -> list[object]:
    """Return what tells errors of one type apart.

    That is X.509's verify code, OpenSSL's own reason, the status that a proxy answers with, or errno. Where several
    addresses of a host failed in different ways, asyncio has all their errnos in its text alone.
    """
    if isinstance(cause, ssl.SSLCertVerificationError):
        return [cause.verify_code]
    if isinstance(cause, ssl.SSLError):
        return [getattr(cause, "reason", None)]  # one that Python makes itself, not OpenSSL, has none
    if isinstance(cause, ConnectionRefusedError):
        return [errno.ECONNREFUSED]
    if isinstance(cause, ProxyError):
        return [int(status) for status in re.findall(r"^[1-5][0-9]{2}(?![0-9])", str(cause))]
    if isinstance(cause, OSError) and cause.errno is None:
        return [int(number) for number in re.findall(r"\[Errno ([0-9]+)\]", str(cause))]
    return [cause.errno] if isinstance(cause, OSError) else []


def _detail(rule: ConnectionRule, cause: BaseException, causes: list[BaseException]) -> str:
    """Return what is added in brackets: what OpenSSL says, the proxy's status, or the host that was looked up."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return foreign(cause.verify_message).rstrip(".")
    if isinstance(cause, ssl.SSLError):
        return getattr(cause, "reason", None) or ""
    if isinstance(cause, ProxyError):
        return "".join(f"HTTP {status}" for status in _codes(cause))
    return _host(causes) if rule.key == "unknown_host" else ""


def _host(causes: list[BaseException]) -> str:
    """Return the host of the request, nothing where it isn't known."""
    return next((urlsplit(url).hostname or "" for cause in causes if (url := request_url(cause))), "")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    # Behind an error of our own is another connection's failure, of which an alert is being sent.
    while error is not None and not isinstance(error, ReportError):
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
