"""Each reply of a mail server has its verdict, by one table of rules."""

import pytest

from src.channels.smtp_reply import Phase, Reply, decode
from src.channels.smtp_rules import NOT_SMTP, RULES, classify, is_one_too_many

from ..pages import anchors, section
from .smtp import FACTS, GOLDEN, SETTING, Case, read_cases, show_rules

CASES = read_cases()
REFUSALS = [case for case in CASES if case.key not in ("accepted", "rest")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case.phase}-{case.others}-{case.reply[:60]}")
def test_a_reply_has_its_verdict(case: Case) -> None:
    """Key, whose fault, now or later, whether it may have arrived, and no setting is blamed but the right one."""
    rule = classify(case.read(), others_accepted=case.others == "accepted")

    verdict = (rule.key, rule.fault, "later" if rule.later else "final", "yes" if rule.ambiguous else "no")
    key = case.key if case.key == "too_large" else f"smtp.{case.key}"
    assert verdict == (key, case.fault, case.when, case.arrived)
    problem = rule.problem("", FACTS)
    blamed = set(SETTING.findall(problem.remedy))
    assert blamed <= {*case.setting.split(",")}
    assert {*case.setting.split(",")} - {"-", "SMTP_LOGIN"} <= set(SETTING.findall(str(problem)))


def test_the_corpus_is_large_and_tells_each_reply_once() -> None:
    """Each phase and each key of the table has its cases."""
    seen = [(case.phase, case.security, case.others, case.reply) for case in CASES]

    assert len(seen) == len(set(seen)) > 250
    assert {case.phase for case in CASES} == {*Phase}
    keys = {rule.key.removeprefix("smtp.") for rule in (*RULES, NOT_SMTP)}
    assert {case.key for case in CASES} == {*keys, "accepted", "rest"}


def test_only_one_recipient_too_many_goes_with_the_next_message() -> None:
    """Whatever else is said of a recipient after others is about that recipient."""
    after_others = [case for case in CASES if case.phase == "rcpt" and case.others == "accepted"]

    assert [case.reply for case in after_others if (case.key == "rest") != is_one_too_many(case.read())] == []


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(("code", "fault", "later"), [(499, "nobody", True), (599, "ours", False)])
def test_a_reply_that_no_rule_knows_is_judged_by_its_class_and_blames_no_setting(
    phase: Phase, code: int, fault: str, later: bool
) -> None:
    """4xx is later, 5xx is final (RFC 5321 4.2.1); a refused STARTTLS is always about SMTP_SECURITY."""
    rule = classify(Reply(phase=phase, code=code, text="Xyzzy"))

    assert (rule.fault, rule.later) == (fault, later)
    blamed = SETTING.findall(rule.problem("", FACTS).remedy)
    assert blamed == (["SMTP_SECURITY"] if phase is Phase.STARTTLS and code == 599 else [])


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


def test_operators_read_what_the_golden_file_shows() -> None:
    """`python -m tests.answers.smtp` writes it anew."""
    assert show_rules() == GOLDEN.read_text()


def test_each_rule_names_a_section_of_the_runbook() -> None:
    """In which its key stands."""
    named = section("runbook", "Failed: email") + section("runbook", "The report went without its workbook")
    titles = {rule.group for rule in (*RULES, NOT_SMTP)} - {"The report went without its workbook"}

    assert {title for title in titles if f"\n### {title}\n" not in named} == set()
    assert anchors(named)
    assert {rule.key for rule in (*RULES, NOT_SMTP) if rule.key not in named.replace("`", " ").split()} == set()
