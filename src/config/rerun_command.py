"""The command that reports a window once more, in a cluster or in a shell."""

import re
import shlex

from ..domain.window import Window, as_option
from .settings import ReportSettings

CRONJOB = "reports-generator"
NAMESPACE = "production"
"""The CronJob's name and namespace in the manifest."""


def rerun_command(
    window: Window, settings: ReportSettings, *, until_now: bool = False, resend: bool = False, count: int = 1
) -> str:
    """Write the command that reports `count` windows from `window` on: for the cluster if this is a Job there."""
    if until_now:
        return "python reports_generator.py --until-now"
    start = shlex.quote(as_option(window))
    if settings.job_name is None:
        options = [f"--start {start}", f"--count {count}" if count > 1 else "", "--resend" if resend else ""]
        return f"python reports_generator.py {' '.join(filter(None, options))}"
    namespace = shlex.quote(settings.pod_namespace or NAMESPACE)
    found = re.fullmatch(r"(.+?)(-again)?-[0-9]+", settings.job_name)
    cronjob = shlex.quote(found[1] if found else CRONJOB)  # a Job made by hand has a name of any kind
    variables = f"REPORT_START={start}"
    variables += f" REPORT_COUNT={count}" if count > 1 else ""
    variables += " REPORT_RESEND=true" if resend else ""
    return (
        f"kubectl create job {cronjob}-again-$(date +%s) --from=cronjob/{cronjob} -n {namespace} "
        f"--dry-run=client -o yaml | kubectl set env --local -f - {variables} -o yaml | kubectl create -f -"
    )
