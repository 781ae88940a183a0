"""The command line: arguments → command → exit code."""

import argparse
import asyncio
import difflib
import logging
import resource
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from msgspec import structs

from . import VERSION
from .commands.report import now, report
from .config.environment import colours_are_wanted
from .config.loader import ENV_FILE, LoadedSettings, load_settings
from .config.options import Options
from .config.settings import LARGEST_COUNT
from .config.timeouts import Timeouts
from .domain.request import Result
from .errors import SIGINT_CODE
from .pipeline.run import Run
from .runtime.logs import set_up_logs
from .runtime.redaction import SECRETS
from .runtime.terminal import (
    OutputError,
    abandon_broken_streams,
    escape_unknown_characters,
    print_answer,
    replace_closed_streams,
)
from .runtime.visible_text import foreign

logger = logging.getLogger(__name__)
TERMINATION_LOG = Path("/dev/termination-log")
"""Where Kubernetes looks for a container's last word (terminationMessagePath's default)."""
TERMINATION_BYTES = 4096
"""What Kubernetes keeps of it; four bytes a character at most."""
LIBRARIES = ("supabase", "openpyxl", "python-telegram-bot", "pydantic-settings")


class _Parser(argparse.ArgumentParser):
    """Names the option that an unknown one was probably meant to be."""

    def error(self, message: str) -> NoReturn:
        unknown = message.partition("unrecognized arguments:")[2].split()
        asked = [f"--{word.lstrip('-').partition('=')[0]}" for word in unknown]
        known = [option for action in self._actions for option in action.option_strings]
        meant = [near for one in asked for near in difflib.get_close_matches(one, known, n=1)]
        hint = f" Did you mean {' and '.join(meant)}?" if meant else ""
        self.exit(2, f"{self.prog}: {message}.{hint} --help shows the options.\n")


class _Version(argparse.Action):
    """Prints the versions that matter, found out only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
        python = ".".join(map(str, sys.version_info[:3]))
        print_answer(f"{parser.prog} {VERSION} (Python {python}; {libraries})")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Make the parser; what it does not understand is exit 2."""
    parser = _Parser(
        prog="reports_generator.py",
        usage="%(prog)s [options]",
        description="Report the last full hour of analyses in Supabase by email and Telegram.",
        epilog="Settings come from the environment and from .env; .env.example lists them all.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    _add_windows(parser)
    _add_trials(parser)
    _add_checks(parser)
    about = parser.add_argument_group("about the program", "reports_generator.py --version")
    words = "print the versions of the program and its libraries"
    about.add_argument("--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help=words)
    about.add_argument("-h", "--help", action="help", help="print this help")
    return parser


def _add_windows(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("report other hours", "reports_generator.py --start 2026-11-23T13").add_argument
    words = "report the hour (or day) that starts at TIME, in UTC unless TIME has an offset"
    add("--start", metavar="TIME", help=words)
    add("--count", metavar="N", type=_count, help="report N hours (or days) from --start on, oldest first")
    add("--resend", action="store_true", help="also send to recipients who already have the report")
    add("--only", metavar="WHO", type=_recipients, help="send only to these recipients, separated by commas")


def _add_trials(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("try it", "reports_generator.py --dry-run --output out").add_argument
    add("--dry-run", action="store_true", help="send nothing; write workbook, mail and caption to files")
    add("--output", metavar="DIR", type=Path, help="write these files to DIR (default: the present folder)")
    add("--until-now", action="store_true", help="report the last 60 minutes (daily: the last 24 hours)")
    add("--yes", action="store_true", help="with --until-now: send to everybody, not only to some")


def _add_checks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("check the setup", "reports_generator.py --check").add_argument
    add("--check", action="store_true", help="try settings, table, mailbox, bot, ledger; send nothing")
    add("--test-alert", action="store_true", help="send a test alert to everybody who gets alerts")
    add("--watch", action="store_true", help="alert if reports that were due are not settled")
    words = "list who got what since FROM (default: the last 24 hours, or days)"
    add("--deliveries", metavar="FROM", nargs="?", const="", help=words)
    add("--json", action="store_true", help="print lines of JSON, for programs (--check, --deliveries)")


def main(
    arguments: Sequence[str] | None = None,
    *,
    env_file: Path | None = ENV_FILE,
    timeouts: Timeouts | None = None,
    termination_log: Path = TERMINATION_LOG,
    clock: Callable[[], datetime] = now,
) -> int:
    """Do what the command line asks for; return the exit code: 0 delivered, 1 something failed, 2 wrong input."""
    began = time.monotonic()
    replace_closed_streams()
    escape_unknown_characters()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would put keys and rows on the disk
    try:
        options = parse(arguments)
    except OutputError as error:
        abandon_broken_streams()
        return error.code
    except SystemExit:
        abandon_broken_streams()
        raise
    loaded, limits = _load(env_file), timeouts or Timeouts()
    run = Run(options=options, loaded=loaded, redaction=SECRETS, timeouts=limits, clock=clock, began=began)
    try:
        result = asyncio.run(command_of(options)(run))
    except KeyboardInterrupt:
        result = Result(code=SIGINT_CODE, words="stopped from the keyboard")
    except OutputError as error:
        result = Result(code=error.code, words=str(error))
    _log_last_line(result, run, termination_log)
    abandon_broken_streams()
    return result.code


def _load(env_file: Path | None) -> LoadedSettings:
    """Load the settings; from then on logs are as they say, without their secrets."""
    loaded = load_settings(env_file)
    SECRETS.forget()  # those of a run before this one in the same process
    SECRETS.hide(loaded.secrets())
    set_up_logs(SECRETS, loaded.watch.log_format, loaded.watch.log_level, colours=colours_are_wanted())
    for hint in loaded.hints:
        logger.warning("%s", hint)
    return loaded


def command_of(options: Options) -> Callable[[Run], Coroutine[None, None, Result]]:
    """Return what the command line asks for; what a report does not need is imported for it alone."""
    if options.check:
        from .commands.check import check

        return check
    if options.test_alert:
        from .commands.alert import send_test_alert

        return send_test_alert
    if options.watch:
        from .commands.watch import watch

        return watch
    if options.deliveries is not None:
        from .commands.deliveries import deliveries

        return deliveries
    return report


def _log_last_line(result: Result, run: Run, termination_log: Path) -> None:
    """Sum the run up in one line: for the log, and with its problem for Kubernetes, where it wants one."""
    seconds, problem = run.seconds(), result.problem if result.code else None
    why, key = (str(problem), problem.key) if problem else ("", "")
    given = {"window": result.window, "rows": result.rows, "bytes": result.bytes, "why": why, "key": key}
    fields = {"event": "run", "code": result.code, "seconds": round(seconds, 3)}
    fields |= structs.asdict(result.tally) if result.tally else {}
    fields |= {name: value for name, value in given.items() if value not in (None, "")}
    failed = logging.WARNING if result.is_left else logging.ERROR
    logger.log(failed if result.code else logging.INFO, "%s", result.last_line(seconds), extra=fields)
    if termination_log.exists():
        words = f"exit {result.code} after {seconds:.1f} s: {why}" if why else result.last_line(seconds)
        line = foreign(words, TERMINATION_BYTES // 4)
        with suppress(OSError):
            termination_log.write_text(line, encoding="utf-8")


def parse(arguments: Sequence[str] | None) -> Options:
    """Parse the command line; options that contradict each other are exit 2 too."""
    parser = make_parser()
    options = Options(**vars(parser.parse_args(arguments)))
    only_check = "--test-alert" if options.test_alert else "--dry-run"
    listing = Options(deliveries=options.deliveries, json=options.json)
    contradictions = {
        "--output goes with --dry-run": options.output and not options.dry_run,
        "--only has nobody to choose from with --dry-run, which sends to nobody": options.only and options.dry_run,
        "--until-now is a window of its own, without --start and --count": options.until_now
        and (options.start or options.count),
        "--yes goes with --until-now": options.yes and not options.until_now,
        f"--check goes without {only_check}": options.check and (options.test_alert or options.dry_run),
        "--test-alert goes alone": options.test_alert and options != Options(test_alert=True),
        "--watch goes alone": options.watch and options != Options(watch=True),
        "--deliveries goes alone, or with --json": options.deliveries is not None and options != listing,
        "--json goes with --check or --deliveries": options.json and not options.check and options.deliveries is None,
    }
    for words, is_wrong in contradictions.items():
        if is_wrong:
            parser.error(words)
    return options


def _recipients(text: str) -> tuple[str, ...]:
    found = tuple(part for part in (part.strip() for part in text.split(",")) if part)
    if not found:
        raise argparse.ArgumentTypeError("names nobody")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_COUNT:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {LARGEST_COUNT}")
    return int(text)
