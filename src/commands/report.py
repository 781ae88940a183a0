"""From options to exit code; the only module that asks the clock."""

import argparse
import asyncio
import logging
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..config.loader import LoadedSettings, Settings
from ..config.schedule import choose_windows
from ..domain.window import Window, last_full
from ..errors import OptionError, ReportError, SettingsError
from ..message.alert import STOPPED as STOPPED_BY_SIGTERM
from ..message.alert import Failure
from ..pipeline.catch_up import produce_with_catch_up
from ..pipeline.report_window import Result
from ..pipeline.services import Services, Timeouts
from ..runtime.redaction import Redaction
from .backfill import produce_each
from .check import as_table, checks, run_checks

logger = logging.getLogger(__name__)
STOPPED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT


class Run:
    """One run."""

    def __init__(
        self, options: argparse.Namespace, loaded: LoadedSettings, redaction: Redaction, timeouts: Timeouts
    ) -> None:
        self._options = options
        self._loaded = loaded
        self._redaction = redaction
        self._services = Services(options, loaded, redaction, timeouts, now)

    async def guarded(self) -> Result:
        """Report; log, alert and tell the monitor whatever goes wrong before a window is in hand."""
        task = asyncio.current_task()
        if task:
            with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupted, task)
        result = Result(code=STOPPED, words="stopped by SIGTERM", why="It was stopped by SIGTERM.")
        try:
            await self._services.heartbeat.started()
            result = await self._report()
        except asyncio.CancelledError:
            if self._services.is_interrupted:
                result = Result(code=INTERRUPTED, words="stopped from the keyboard", why="It was stopped by hand.")
            elif not self._services.stop_is_told:
                await self._failed(STOPPED_BY_SIGTERM)
        except OptionError as error:  # somebody is sitting there
            logger.error("%s", error, extra={"event": "failed", "stage": error.stage})
            result = Result(code=error.exit_code, words=f"failed: {error.stage}", why=str(error))
        except ReportError as error:
            await self._failed(Failure(what=error.stage, why=str(error)))
            result = Result(code=error.exit_code, words=f"failed: {error.stage}", why=str(error))
        except Exception as error:
            logger.exception("The run broke down", extra={"event": "broke_down"})
            why = f"It broke down ({type(error).__name__}: {error}). Read the log, then run this window again."
            await self._failed(Failure(what="the run", why=why))
            result = Result(code=1, words="failed: the run", why=why)
        await self._services.heartbeat.ended(result.why if result.code else "")
        return result

    def _interrupted(self, task: "asyncio.Task[Result]") -> None:
        """Stop; who pressed the keys need not be alerted of it, and who presses them again doesn't want to wait."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        self._services.is_interrupted = True
        task.cancel()

    async def _failed(self, failure: Failure) -> None:
        logger.error("%s", failure.why, extra={"event": "failed", "stage": failure.what})
        if not self._options.check:
            await self._services.alerts(None).send(self._likely_window(), [failure])

    async def _report(self) -> Result:
        options, settings = self._options, self._loaded.checked()
        windows = choose_windows(options, settings.report, now())
        _refuse_lonely_ledger(settings)
        if options.check:
            return await self._check(settings)
        if options.dry_run:
            settings = settings.writing_to(_folder(options.output or Path()))
        if not options.until_now:
            await settle(windows[-1], timedelta(seconds=settings.report.report_settle))
        resend = options.resend or settings.report.report_resend
        async with self._services.api(settings) as api:
            if len(windows) > 1:
                return await produce_each(
                    windows, lambda window: self._services.producer(settings, api).produce(window, resend=resend)
                )
            producer = self._services.producer(settings, api)
            if options.until_now or options.dry_run or options.start or settings.report.report_start:
                return await producer.produce(windows[0], resend=resend)
            return await produce_with_catch_up(producer, windows[0], resend=resend)

    async def _check(self, settings: Settings) -> Result:
        async with self._services.api(settings) as api:
            window = last_full(settings.report.report_template, settings.report.report_timezone, now())
            findings = await run_checks(checks(self._services, settings, api, window))
        print(self._redaction(as_table(findings)))  # noqa: T201 - the answer of this command
        wrong = [finding.part for finding in findings if not finding.ok]
        why = f"not ok: {', '.join(wrong)}" if wrong else ""
        return Result(code=1 if wrong else 0, words=why or f"all {len(findings)} are ok", why=why)

    def _likely_window(self) -> Window | None:
        with suppress(ReportError):  # of what is alerted about
            return choose_windows(self._options, self._loaded.report, now())[0] if self._loaded.report else None
        return None


def _refuse_lonely_ledger(settings: Settings) -> None:
    """Raise SettingsError for pods that share a range but no ledger: each restart would send anew."""
    report = settings.report
    if report.job_completion_index is not None and report.report_ledger != "supabase":
        raise SettingsError(["REPORT_LEDGER is directory; wanted: supabase, which all pods of an Indexed Job share"])


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--output {path} can't be made ({error.strerror}). Name another folder.") from error
    return path


async def settle(window: Window, grace: timedelta) -> None:
    """Wait until `grace` has passed since the window's end, so that transactions open then can commit."""
    wait = (window.end + grace - now()).total_seconds()
    if wait > 0:
        logger.info("Waiting %.0f s for rows that are still being committed", wait, extra={"event": "settling"})
        await asyncio.sleep(wait)


def now() -> datetime:
    """Return this moment, aware UTC."""
    return datetime.now(UTC)
