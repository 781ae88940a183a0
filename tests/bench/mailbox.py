"""A lean mail server: it takes what comes over TLS after a login, so that only sending costs it.

The sandbox's own reads each line of a message by itself, and that third of a second would count as everybody's.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

_REPLIES = {
    b"EHLO": b"250-bench\r\n250-SIZE 33554432\r\n250 AUTH PLAIN\r\n",
    b"AUTH": b"235 2.7.0 Authentication successful\r\n",
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
_DOT = b".\r\n"


class LeanMailbox(ThreadingTCPServer):
    """Listens on the loopback; `messages` are those that it took."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.tls = tls
        self.messages: list[bytes] = []

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Connection(BaseRequestHandler):
    server: LeanMailbox

    def handle(self) -> None:
        """Answer each command; what isn't known is fine."""
        with self.server.tls.wrap_socket(self.request, server_side=True) as connection:
            connection.sendall(b"220 bench ESMTP\r\n")
            with connection.makefile("rb", buffering=1 << 20) as lines:
                while line := lines.readline():
                    verb = line[:4].upper()
                    connection.sendall(_REPLIES.get(verb, b"250 2.0.0 OK\r\n"))
                    if verb == b"DATA":
                        # A line that begins with a dot has got another one (RFC 5321 4.5.2).
                        message = [part[part.startswith(b"..") :] for part in iter(lines.readline, _DOT)]
                        self.server.messages.append(b"".join(message))
                        connection.sendall(b"250 2.0.0 queued\r\n")
                    if verb == b"QUIT":
                        return
