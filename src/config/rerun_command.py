"""The command that reports a window once more, in a cluster or in a shell."""

import re
import shlex
from collections.abc import Sequence

from ..domain.window import Window, as_option
from .settings import ReportSettings

CRONJOB = "reports-generator"
NAMESPACE = "production"
"""The CronJob's name and namespace in the manifest, which also tells both to the program."""
_LONGEST_BEGINNING = 46
"""Characters of a CronJob's name in that of a new Job, which has 63 at most, `-again-` and ten digits among them."""


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


def only_option(recipients: Sequence[str]) -> str:
    """Write the option that limits a run to `recipients`; nothing without any.

    With `=`, for the number of a group begins with a minus.
    """
    return f"--only={shlex.quote(','.join(recipients))}" if recipients else ""
