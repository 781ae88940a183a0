"""A run: what it is started with, the Job that it is on a cluster, and how it is stopped."""

import asyncio
import os
import re
import shlex
import signal
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..channels.interface import Channel
from ..channels.mail import MailChannel
from ..channels.telegram import TelegramChannel
from ..config.loader import LoadedSettings
from ..config.options import Options
from ..config.settings import ReportSettings
from ..config.timeouts import Timeouts
from ..domain.window import Window, after, around, as_option, moment_of
from ..ledger.liveness import holder_name
from ..runtime.connection import tls_context
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy

LONGEST_DELAY = timedelta(days=2)
"""A Job that starts later than this after its time is not one of this CronJob; its digits mean something else."""
CLOCK_SKEW = timedelta(days=1)
"""How far a node's clock may be behind the one that named the Job; a date's digits are years away."""
CRONJOB = "reports-generator"
NAMESPACE = "production"
"""The CronJob's name and namespace in the manifest, which also tells both to the program."""
_LONGEST_BEGINNING = 46
"""Characters of a CronJob's name in that of a new Job, which has 63 at most, `-again-` and ten digits among them."""


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
    began: float = field(default_factory=time.monotonic)
    tls: ssl.SSLContext = field(default_factory=tls_context)
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    stop: Stop = field(default_factory=Stop)

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


def shared_by_pods(options: Options, settings: ReportSettings) -> Window | None:
    """Return the window under which the ledger keeps what the pods of an Indexed Job share; None in any other run.

    It begins a second after the Job's first one, as no window that is reported does.
    """
    text = options.start or settings.report_start
    if settings.job_completion_index is None or text is None:
        return None
    moment = moment_of(text, settings.report_template, settings.report_timezone)
    first = moment and around(moment, settings.report_template, settings.report_timezone)
    return replace(first, start=first.start + timedelta(seconds=1)) if first else None


def goes_by_job(options: Options, settings: ReportSettings, now: datetime) -> bool:
    """Return whether the run's window follows from its Job's name, so that no clock of this machine matters."""
    is_own = not (options.until_now or is_named(options, settings))
    return is_own and scheduled_time(settings.job_name, now) is not None


def has_next_pod(options: Options, settings: ReportSettings, now: datetime) -> bool:
    """Return whether another pod of the Job surely does the run's work if its node is drained now, or a later run.

    The Job is a scheduled one whose drained pods are replaced, the ledger lasts and missed windows are caught up, and
    there is time for another attempt: the Job's deadline is more than two of REPORT_TIME_LIMIT after its schedule.
    """
    due = scheduled_time(settings.job_name, now)
    is_whole = goes_by_job(options, settings, now) and not (options.is_trial or options.only or settings.report_only)
    is_caught_up = settings.report_ledger == "supabase" and settings.report_catch_up > 0
    if not (due and is_whole and is_caught_up and settings.sequential_job_uid):
        return False
    return now < due + timedelta(seconds=settings.report_time_limit)


def is_named(options: Options, settings: ReportSettings) -> bool:
    """Return whether the run's window was named, by --start or REPORT_START, rather than being its own."""
    return options.start is not None or settings.report_start is not None


def scheduled_time(job_name: str | None, now: datetime) -> datetime | None:
    """Return when a CronJob's Job was due (aware UTC): its name ends in the minutes since 1970.

    None for a name without them, as a Job made by hand has, or with digits that mean something else.
    Seen on Kubernetes 1.36 and for a long time before, but promised nowhere.
    """
    match = re.search(r"-([0-9]{8,9})$", job_name or "")
    if not match:
        return None
    scheduled = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=int(match[1]))
    return scheduled if now - LONGEST_DELAY < scheduled < now + CLOCK_SKEW else None


def rerun_command(
    window: Window,
    settings: ReportSettings,
    *,
    until_now: bool = False,
    resend: bool = False,
    count: int = 1,
    only: Sequence[str] = (),
) -> str:
    """Write the command that reports `count` windows from `window` on: for the cluster if this is a Job there.

    `only`: to these recipients; without any, to all.
    """
    start = shlex.quote(as_option(window))
    if until_now or settings.job_name is None:
        options = ["--until-now" if until_now else f"--start {start}", f"--count {count}" if count > 1 else ""]
        options += ["--resend" if resend else "", only_option(only), "--yes" if until_now and not only else ""]
        return f"python reports_generator.py {' '.join(filter(None, options))}"
    namespace = shlex.quote(settings.pod_namespace or NAMESPACE)
    # Without CRONJOB_NAME only a scheduled Job's name tells it, or that of a Job that such a command made.
    found = re.fullmatch(r"(.+?)-(?:[0-9]{8,9}|again-[0-9]+)", settings.job_name)
    cronjob = settings.cronjob_name or (found[1] if found else CRONJOB)
    job = shlex.quote(cronjob[:_LONGEST_BEGINNING].rstrip("-."))
    variables = f"REPORT_START={start}"
    variables += f" REPORT_COUNT={count}" if count > 1 else ""
    variables += " REPORT_RESEND=true" if resend else ""
    variables += f" REPORT_ONLY={shlex.quote(','.join(only))}" if only else ""
    return (
        f"kubectl create job {job}-again-$(date +%s) --from=cronjob/{shlex.quote(cronjob)} -n {namespace} "
        f"--dry-run=client -o yaml | kubectl set env --local -f - {variables} -o yaml | kubectl create -f -"
    )


def span_command(windows: Sequence[Window], settings: ReportSettings) -> str:
    """Write the command that reports the first of `windows`, oldest first, to the last, and what lies between."""
    count, window = 1, windows[0]
    while window.start < windows[-1].start:
        count, window = count + 1, after(window)
    return rerun_command(windows[0], settings, count=count)


def only_option(recipients: Sequence[str]) -> str:
    """Write the option that limits a run to `recipients`; nothing without any.

    With `=`, for the number of a group begins with a minus.
    """
    return f"--only={shlex.quote(','.join(recipients))}" if recipients else ""
