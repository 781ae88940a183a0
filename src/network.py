"""What went wrong between here and a server, in words; and the one TLS context that all connections share."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A failed connection: `what` completes "the server … because", `mend` is a sentence."""

    what: str
    mend: str


_TROUBLES: tuple[tuple[tuple[type[BaseException], ...], Trouble], ...] = (
    (
        (socket.gaierror,),
        Trouble(what="its host name is not known", mend="Check the name, and that DNS works from here"),
    ),
    (
        (ssl.SSLError,),
        Trouble(what="it does not speak TLS there", mend="Check the port, and that the address is right"),
    ),
    (
        (ConnectionRefusedError,),
        Trouble(what="nothing listens on that port", mend="Check host and port, and that the server is up"),
    ),
    (
        (TimeoutError, httpx.TimeoutException),
        Trouble(what="it did not answer in time", mend="Look at the server's load and at the network between"),
    ),
)
_CUT_OFF = Trouble(what="the connection broke off", mend="Look at the server's log and at the network between")


def tls_context() -> ssl.SSLContext:
    """Make a context that verifies certificate and host name; SSL_CERT_FILE names another authority."""
    return ssl.create_default_context()


def trouble(error: BaseException) -> Trouble:
    """Find out what a failed connection failed of, looking through the exceptions that `error` came from."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble(
                what=f"its certificate is not trusted ({cause.verify_message.rstrip('.')})",
                mend="Correct the host name, or set SSL_CERT_FILE to the authority that signed it",
            )
    for types, found in _TROUBLES:
        if any(isinstance(cause, types) for cause in causes):
            return found
    return _CUT_OFF


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
