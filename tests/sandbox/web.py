"""A small HTTP server in a thread whose next answers can be told to fail."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
    """What goes out."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One planned failure: wait `delay` seconds, then answer with `answer` in place of the real one, if given.

    `cut` closes the connection: "before" anything is done, "within" the answer, half of which is sent, or "after"
    all was done, without an answer. `hold` does what was asked and waits that many seconds with the answer.
    `drip` sends the answer byte by byte, with that many seconds between. It is for requests that hold `match`.
    """

    answer: Answer | None = None
    delay: float = 0.0
    cut: str = ""
    drip: float = 0.0
    hold: float = 0.0
    match: str = ""


class Web:
    """A server on a free port of the loopback; each request uses up one of `faults`, oldest first, then `always`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.always: Fault | None = None
        self.resets = 0
        self.requests: list[Request] = []
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """Do what the real server would do."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget what came in and what was planned."""
        self.resets += 1  # what is still being waited with then is never done
        self.faults.clear()
        self.always = None
        self.requests.clear()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block runs."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def take(self, request: Request) -> Fault:
        """Record `request` and return the fault that is due for it, an empty one if none is."""
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.match in request.target:
                    self.faults.remove(fault)
                    return fault
            return self.always if self.always and self.always.match in request.target else Fault()


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
            fault, resets = web.take(request), web.resets
            time.sleep(fault.delay)
            if fault.cut == "before" or resets != web.resets:
                self.close_connection = True
                return
            answer = fault.answer or web.answer(request)
            time.sleep(fault.hold)
            if fault.cut == "after":
                self.close_connection = True
                return
            with suppress(ConnectionError):  # a client that has given up, or was killed
                self._send(answer, fault)

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

        def _send(self, answer: Answer, fault: Fault) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.close_connection = self.close_connection or bool(fault.cut)
            body = b"" if self.command == "HEAD" else answer.body[: len(answer.body) // 2 if fault.cut else None]
            if not fault.drip:
                self.wfile.write(body)
                return
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                time.sleep(fault.drip)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler
