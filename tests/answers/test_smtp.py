"""Each reply of a mail server has its verdict, by one table of rules."""

import re

import pytest
from msgspec import convert

from src.channels.smtp_reply import NO_REPLY, Phase, Reply, decode
from src.channels.smtp_rules import NOT_SMTP, RULES, classify, is_one_too_many

from ..pages import section
from .golden import SMTP_FACTS
from .rows import Row, blamed, read_rows, row_id, settings_of

ROWS = read_rows("smtp")
REFUSALS = [row for row in ROWS if row["key"] not in ("accepted", "rest")]


def reply_of(row: Row) -> Reply:
    """Return the reply of a row as the program reads it."""
    match = re.match(r"(?:(\d{3})(?: |$))?(.*)", row["reply"].replace("\\n", "\n"), re.DOTALL)
    assert match
    code, text = match.groups()
    phase = Phase(row["phase"])
    security, _, login = row["security"].partition(",")
    if phase is Phase.EHLO and code == "250":  # it is judged by the step that it does not offer
        phase = Phase.STARTTLS if security == "starttls" else Phase.AUTH
    ours = {"sender": "reports@example.com", "recipient": "anna@example.org", "login": login or "password"}
    return convert({"phase": phase, "code": int(code or NO_REPLY), "text": text} | ours, Reply)


@pytest.mark.parametrize("row", REFUSALS, ids=row_id)
def test_a_reply_gets_its_verdict(row: Row) -> None:
    """Key, whose fault, now or later, whether it may have arrived, and no setting is blamed but the right one."""
    rule = classify(reply_of(row), others_accepted=row["others"] == "accepted")

    verdict = (rule.key, rule.fault, "later" if rule.later else "final", "yes" if rule.ambiguous else "no")
    key = row["key"] if row["key"] == "too_large" else f"smtp.{row['key']}"
    assert verdict == (key, row["fault"], row["when"], row["arrived"])
    problem = rule.problem("", SMTP_FACTS)
    assert blamed(problem.remedy) <= settings_of(row)
    assert settings_of(row) <= blamed(str(problem))


def test_the_corpus_has_each_phase_and_each_key() -> None:
    """And each reply once."""
    seen = [(row["phase"], row["security"], row["others"], row["reply"]) for row in ROWS]

    assert len(seen) == len(set(seen)) > 250
    assert {row["phase"] for row in ROWS} == {*Phase}
    keys = {rule.key.removeprefix("smtp.") for rule in (*RULES, NOT_SMTP)}
    assert {row["key"] for row in ROWS} == {*keys, "accepted", "rest"}


def test_only_one_recipient_too_many_goes_with_the_next_message() -> None:
    """Whatever else is said of a recipient after others is about that recipient."""
    after_others = [row for row in ROWS if row["phase"] == "rcpt" and row["others"] == "accepted"]

    assert [row["reply"] for row in after_others if (row["key"] == "rest") != is_one_too_many(reply_of(row))] == []


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(("code", "fault", "later"), [(499, "nobody", True), (599, "ours", False)])
def test_a_reply_that_no_rule_knows_is_judged_by_its_class_and_blames_no_setting(
    phase: Phase, code: int, fault: str, later: bool
) -> None:
    """4xx is later, 5xx is final (RFC 5321 4.2.1); a refused STARTTLS is always about SMTP_SECURITY."""
    rule = classify(Reply(phase=phase, code=code, text="Xyzzy"))

    assert (rule.fault, rule.later) == (fault, later)
    expected = {"SMTP_SECURITY"} if phase is Phase.STARTTLS and code == 599 else set()
    assert blamed(rule.problem("", SMTP_FACTS).remedy) == expected


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("5.7.8 Username and Password not accepted. For more", "535 5.7.8 Username and Password not accepted."),
        ("5.7.8 Not accepted: wrong-Pa55", "535 5.7.8 (words withheld)"),
        ("wrong-Pa55 Username and Password not accepted.", "535 (words withheld)"),
    ],
)
def test_of_a_reply_to_a_login_only_known_words_are_quoted(words: str, quoted: str) -> None:
    """Any others may repeat the password."""
    assert Reply(phase=Phase.AUTH, code=535, text=words).quote == quoted


@pytest.mark.parametrize("encoding", ["utf-8", "koi8-r", "cp1251"])
def test_words_in_another_encoding_are_readable(encoding: str) -> None:
    """Aiosmtplib keeps what is not UTF-8 as surrogates."""
    words = "5.1.1 Нет такого пользователя, проверьте адрес"

    assert decode(words.encode(encoding).decode("utf-8", "surrogateescape")) == words


def test_western_words_are_readable_and_any_bytes_are_text() -> None:
    """A letter with an accent among plain ones is not taken for Russian."""
    words = "Boîte pleine, réessayez"

    assert decode(words.encode("cp1252").decode("utf-8", "surrogateescape")) == words
    assert decode(bytes(range(256)).decode("utf-8", "surrogateescape")).isprintable() is False


def test_our_own_addresses_do_not_decide_what_a_reply_means() -> None:
    """A recipient may be called spam@blocked.example."""
    address = "spam@blocked.example"
    reply = Reply(phase=Phase.RCPT, code=550, text=f"<{address}>: unknown here", recipient=address)

    assert classify(reply).key == "smtp.recipient_refused"


def test_each_rule_names_a_section_of_the_runbook() -> None:
    """In which its key stands."""
    named = section("runbook", "Failed: email") + section("runbook", "The report went without its workbook")
    titles = {rule.group for rule in (*RULES, NOT_SMTP)} - {"The report went without its workbook"}

    assert {title for title in titles if f"\n### {title}\n" not in named} == set()
    assert {rule.key for rule in (*RULES, NOT_SMTP) if rule.key not in named.replace("`", " ").split()} == set()
