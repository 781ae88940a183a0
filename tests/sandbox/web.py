"""A small HTTP and HTTPS server in threads whose next answers can be told to fail."""

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOREVER = 600.0
"""Seconds that no test lasts."""
HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "host")
"""Headers of one request or one answer, which are not for the next hop."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What came in, `at` by the monotonic clock; `target` is path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes out: `body`, then `more` of it as often as `times` says, which may be math.inf."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    more: bytes = b""
    times: float = 0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One planned failure: wait `delay` seconds, then answer with `answer` in place of the real one, if given.

    `cut` closes the connection: in the "handshake" of TLS, "before" anything is done, "within" the answer, half of
    which is sent, "after" all was done, without an answer, "damaged", when all was done, with an answer whose record of
    TLS is damaged, or "garbled", with an answer that is no TLS. `alert` refuses a handshake by that number of TLS.
    `hold` does what was asked and waits that many seconds with the answer.
    `drip` sends the answer byte by byte, with that many seconds between. `until` is waited for before all that.
    All waits but the last end with the test.
    It is for requests that hold `match`; a cut or refused handshake is for the next connection.
    """

    answer: Answer | None = None
    delay: float = 0.0
    cut: str = ""
    alert: int = 0
    drip: float = 0.0
    hold: float = 0.0
    match: str = ""
    until: threading.Event | None = None


def exchange(connection: HTTPConnection, request: Request) -> Answer:
    """Pass a request on over a connection of its own, and return the answer."""
    headers = {name: value for name, value in request.headers.items() if name not in HOP}
    try:
        connection.request(request.method, request.target, request.body or None, headers)
        response = connection.getresponse()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
        return Answer(status=response.status, headers=kept, body=response.read())
    finally:
        connection.close()


class Web:
    """A server on free ports of the loopback; each request uses up one of `faults`, oldest first, then `always`.

    It speaks plain HTTP on one port, `port` unless that is 0, and TLS, as `tls` says until the next reset, on another;
    `secure` tells which of them `url` names.
    Its clock is `slow` seconds behind `clock`, this machine's unless a test sets another; `show` sets it with the next
    request.
    `over` is set when the present test is over; `dripped` counts the bytes that were sent one by one. `held` are the
    faults whose requests were done, and whose answers wait or waited.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.faults: list[Fault] = []
        self.always: Fault | None = None
        self.over = threading.Event()
        self.dripped = 0
        self.requests: list[Request] = []
        self.held: list[Fault] = []
        self.secure = False
        self.port = 0
        self.slow = 0.0
        self.clock: Callable[[], datetime] = _now
        self._shown: datetime | None = None
        self.tls = self._own_tls = tls
        self._plain_port = self._tls_port = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"https://127.0.0.1:{self._tls_port}" if self.secure else f"http://127.0.0.1:{self._plain_port}"

    def answer(self, request: Request) -> Answer:
        """Do what the real server would do."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget what came in and what was planned."""
        self.over.set()  # what is still being waited with then is never done
        self.over = threading.Event()
        self.dripped = 0
        self.slow = 0.0
        self.clock = _now
        self.tls = self._own_tls
        self._shown = None
        self.faults.clear()
        self.always = None
        self.requests.clear()
        self.held.clear()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on both ports while the block runs."""
        with ExitStack() as stack:
            self._plain_port = stack.enter_context(_served(_Server(self, self.port, is_secure=False)))
            self._tls_port = stack.enter_context(_served(_Server(self, is_secure=True)))
            yield

    def show(self, moment: datetime) -> None:
        """Let the clock show `moment` when the next request comes, however long that takes, and go on from there."""
        self._shown = moment

    def take(self, request: Request) -> Fault:
        """Record `request` and return the fault that is due for it, an empty one if none is."""
        with self._lock:
            self.requests.append(request)
            if self._shown:
                self.slow, self._shown = (self.clock() - self._shown).total_seconds(), None
            for fault in self.faults:
                if fault.match in request.target and not _is_of_handshake(fault):
                    self.faults.remove(fault)
                    return fault
            return self.always if self.always and self.always.match in request.target else Fault()

    def take_handshake(self) -> Fault | None:
        """Return the fault that is due for the handshake of a new connection, None if none is."""
        with self._lock:
            return self.faults.pop(0) if self.faults and _is_of_handshake(self.faults[0]) else None


def _now() -> datetime:
    return datetime.now(UTC)


def _is_of_handshake(fault: Fault) -> bool:
    return fault.cut == "handshake" or bool(fault.alert)


class _Server(ThreadingHTTPServer):
    """Serves `web` on `port` (0: any free one), over TLS if it `is_secure`.

    A connection over TLS ends without a close_notify, as with most servers, so that an end looks as a cut does.
    """

    def __init__(self, web: Web, port: int = 0, *, is_secure: bool) -> None:
        self._web = web
        self._is_secure = is_secure
        super().__init__(("127.0.0.1", port), _handler(web))

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection; its handshake is left to the thread that serves it."""
        connection, address = super().get_request()
        if self._is_secure:
            connection = self._web.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def finish_request(self, request: object, address: object) -> None:
        """Serve a connection, once its handshake is done."""
        if isinstance(request, ssl.SSLSocket):
            if fault := self._web.take_handshake():
                _read_hello(request)
                if fault.alert:
                    socket.socket.send(request, bytes((21, 3, 3, 0, 2, 2, fault.alert)))  # RFC 8446 6: fatal
                return
            try:
                request.do_handshake()
            except OSError:  # the client has given up, or was refused
                _hang_up(request)
                return
        super().finish_request(request, address)  # type: ignore[arg-type] # typeshed's names for them are its own


def _read_hello(connection: socket.socket) -> None:
    """Read the ClientHello below TLS: with something unread a close would be a reset, not an end (RFC 9293 3.6.1)."""
    record = socket.socket.recv(connection, 5, socket.MSG_WAITALL)
    socket.socket.recv(connection, int.from_bytes(record[3:5]), socket.MSG_WAITALL)


def _hang_up(connection: socket.socket) -> None:
    """End a connection below TLS, reading what still comes: else a reset would overtake the alert that tells why."""
    with suppress(OSError):
        connection.settimeout(10)
        socket.socket.shutdown(connection, socket.SHUT_WR)
        while socket.socket.recv(connection, 1 << 16):
            pass


@contextmanager
def _served(server: _Server) -> Iterator[int]:
    """Serve in a thread while the block runs, on the port that is yielded."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _respond(self) -> None:
            request = Request(
                method=self.command,
                target=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self._body(),
                at=time.monotonic(),
            )
            fault, over = web.take(request), web.over
            if fault.until:
                fault.until.wait(60)
            over.wait(fault.delay)
            if fault.cut == "before" or over.is_set():
                self.close_connection = True
                return
            if fault.cut == "garbled":
                socket.socket.send(self.connection, b"below TLS")
                self.close_connection = True
                return
            answer = fault.answer or web.answer(request)
            if fault.hold:
                web.held.append(fault)
            over.wait(fault.hold)
            if fault.cut == "damaged":
                socket.socket.send(self.connection, bytes((23, 3, 3, 0, 64, *[0] * 64)))  # RFC 8446 5.2
            if fault.cut in ("after", "damaged"):
                self.close_connection = True
                return
            with suppress(OSError):  # a client that has given up, or was killed
                self._send(answer, fault, over)

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _respond  # noqa: N815 - http.server's names

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _send(self, answer: Answer, fault: Fault, over: threading.Event) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if math.isfinite(answer.times):
                self.send_header("content-length", str(len(answer.body) + len(answer.more) * int(answer.times)))
            else:
                self.send_header("connection", "close")  # with which it would end
            self.end_headers()
            self.close_connection = self.close_connection or bool(fault.cut)
            body = b"" if self.command == "HEAD" else answer.body[: len(answer.body) // 2 if fault.cut else None]
            if not fault.drip:
                self.wfile.write(body)
                sent = 0
                while sent < answer.times and not over.is_set():
                    self.wfile.write(answer.more)
                    sent += 1
                return
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                web.dripped += 1
                if over.wait(fault.drip):
                    return

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(web.clock().timestamp() - web.slow)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler
