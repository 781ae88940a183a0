"""A proxy for HTTP that knows the sandbox's servers by names that no DNS has."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from .web import Web

DOMAIN = "sandbox.example"


class Proxy:
    """Leads to `servers` by their names, in the clear and by CONNECT.

    Each of `refusals` is a status that it answers instead, once.
    `asked` lists what it was asked for, as method, host and the login that came with it.
    """

    def __init__(self, servers: Mapping[str, Web]) -> None:
        self._servers = {f"{name}.{DOMAIN}": server for name, server in servers.items()}
        self.asked: list[tuple[str, str, str]] = []
        self.refusals: list[int] = []
        self.port = 0

    def address_of(self, host: str) -> tuple[str, int]:
        """Return where a server really is."""
        parts = urlsplit(self._servers[host].url)
        return str(parts.hostname), int(parts.port or 0)

    @contextmanager
    def serving(self, tls: ssl.SSLContext | None = None) -> Iterator[None]:
        """Serve while the block runs, by TLS if a context for it is given."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            self.port = server.server_port
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _take(self, host: str) -> bool:
            """Note what was asked for; tell whether it is to be done."""
            proxy.asked.append((self.command, host, self.headers.get("proxy-authorization", "")))
            if not proxy.refusals:
                return True
            self.send_response(proxy.refusals.pop(0), "As planned")
            self.end_headers()
            return False

        def do_CONNECT(self) -> None:
            host = self.path.rpartition(":")[0]
            if self._take(host):
                with socket.create_connection(proxy.address_of(host)) as there:
                    self.send_response(200, "Connected")
                    self.end_headers()
                    back = threading.Thread(target=_pour, args=(there, self.connection))
                    back.start()
                    _pour(self.connection, there)
                    back.join()

        def _forward(self) -> None:
            parts = urlsplit(self.path)
            if self._take(str(parts.hostname)):
                connection = http.client.HTTPConnection(*proxy.address_of(str(parts.hostname)), timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
                target = parts._replace(scheme="", netloc="").geturl()
                connection.request(self.command, target, self._body(), headers)
                answer = connection.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.read())
                connection.close()

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815 - http.server's names

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler


def _pour(one: socket.socket, other: socket.socket) -> None:
    """Pass on what one end says until it ends."""
    with suppress(OSError):
        while piece := one.recv(1 << 16):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
