"""A resolver for tests: the event loop's own look-up of names, which gives other addresses, or takes its time."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Loop(asyncio.SelectorEventLoop):
    """Looks `host` up after `wait` seconds, as its `alias` if it has one, and puts `first` before what is found."""

    first: tuple[str, int] | None = None
    wait = 0.0
    host = "localhost"
    alias = ""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        is_it = host in (self.host, self.host.encode())
        found = await super().getaddrinfo(self.alias or host if is_it else host, port, **options)
        if not is_it:
            return found
        await asyncio.sleep(self.wait)
        ahead = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", self.first)] if self.first else []
        return [*ahead, *found]


@contextmanager
def resolved(**changes: Any) -> Iterator[None]:
    """Let every event loop that is made in the block resolve names as `changes` of _Loop say."""
    loop = type("_Changed", (_Loop,), changes)

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            made: asyncio.AbstractEventLoop = loop()
            return made

    asyncio.set_event_loop_policy(Policy())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(None)


@contextmanager
def silent_address() -> Iterator[tuple[str, int]]:
    """Give an address that answers no connection while the block runs: its listener takes none, and has no room."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()
        finally:
            for one in waiting:
                one.close()
