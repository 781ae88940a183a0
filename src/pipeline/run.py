"""What a run is started with, and how it is stopped."""

import asyncio
import os
import signal
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from msgspec import Struct

from ..channels.interface import Channel
from ..channels.mail import MailChannel
from ..channels.telegram import TelegramChannel
from ..config.loader import LoadedSettings
from ..config.options import Options
from ..config.timeouts import Timeouts
from ..domain.window import Window
from ..ledger.liveness import holder_name
from ..runtime.connection import tls_context
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy


class Stop:
    """SIGTERM or Ctrl-C, and how far the run had come.

    `is_requested`: the run has little time left. `by_hand`: whoever pressed Ctrl-C need not be alerted. `window` is the
    one being reported, or the last one. `is_handled`: its result was logged, and alerted if needed, so that the stop
    needs no alert of its own; `is_failure`: no later pod of the Job surely does its work.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self.by_hand = False
        self.window: Window | None = None
        self.is_handled = False
        self.is_failure = False
        self._task: asyncio.Task[Any] | None = None

    def begin_window(self, window: Window) -> None:
        """Note that `window` is being reported now."""
        self.window, self.is_handled = window, False

    def end_window(self, *, is_failure: bool = False) -> None:
        """Note that the result of the window is known; `is_failure`: it was stopped, and no next pod sends it."""
        self.is_handled, self.is_failure = True, self.is_failure or is_failure

    def listen(self) -> None:
        """Cancel the present task at SIGTERM and Ctrl-C from now on."""
        loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        with suppress(ValueError, RuntimeError):  # not the main thread
            loop.add_signal_handler(signal.SIGTERM, self._cancel)
            loop.add_signal_handler(signal.SIGINT, self._interrupt)

    def let_finish(self) -> None:
        """Let the task end: another SIGTERM finds the run being stopped already."""
        self._task = None

    def _cancel(self) -> None:
        self.is_requested = True
        if self._task:
            self._task.cancel()

    def _interrupt(self) -> None:
        """Stop; a second Ctrl-C doesn't wait."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        self.by_hand = True
        self._cancel()


class Run(Struct, frozen=True, kw_only=True):
    """What a run was started with; `clock` returns this moment (aware UTC), `began` is one of the monotonic clock.

    No other run has its `token`.
    """

    options: Options
    loaded: LoadedSettings
    redaction: Redaction
    timeouts: Timeouts
    clock: Callable[[], datetime]
    tls: ssl.SSLContext
    began: float
    token: str
    stop: Stop

    def seconds(self) -> float:
        """Return how long it has taken until now."""
        return time.monotonic() - self.began

    @property
    def time_limit(self) -> float:
        """The seconds that a run may take, 0 if its settings are wrong."""
        return self.timeouts.run or (self.loaded.report.report_time_limit if self.loaded.report else 0)

    @property
    def alert_time(self) -> float:
        """The seconds that an alert by one channel may take: what is left, or a little at least."""
        if self.stop.is_requested:
            return self.timeouts.alert_at_stop
        return max(self.timeouts.alert, self.time_limit - self.seconds())

    @property
    def holder(self) -> str:
        """The name that this run's claims bear: no other process's, even where hosts and process ids are the same."""
        report = self.loaded.report
        process = (report and report.pod_name) or f"{socket.gethostname()}.{os.getpid()}"
        uid, index = (report.sequential_job_uid, report.job_completion_index) if report else (None, None)
        return holder_name(process, self.token, uid, index)

    def channels(self) -> list[Channel]:
        """Make the channels whose settings are whole."""
        found: list[Channel] = []
        if self.loaded.mail:
            found.append(MailChannel(self.loaded.mail, self.tls, self.timeouts, hide=self.redaction.hide))
        if self.loaded.telegram:
            found.append(TelegramChannel(self.loaded.telegram, self.tls, self.timeouts))
        return found

    def policy(self, seconds: float | None = None) -> RetryPolicy:
        """Return the policy of something that begins now and may take `seconds`, or else as long as a window."""
        return RetryPolicy(
            deadline=asyncio.get_running_loop().time() + (self.time_limit if seconds is None else seconds),
            first_wait=self.timeouts.first_wait,
            longest_wait=self.timeouts.longest_wait,
        )


def start_run(
    options: Options,
    loaded: LoadedSettings,
    redaction: Redaction,
    timeouts: Timeouts,
    clock: Callable[[], datetime],
    began: float,
) -> Run:
    """Put together what a run is started with."""
    return Run(
        options=options,
        loaded=loaded,
        redaction=redaction,
        timeouts=timeouts,
        clock=clock,
        tls=tls_context(),
        began=began,
        token=uuid.uuid4().hex[:12],
        stop=Stop(),
    )
