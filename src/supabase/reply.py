"""Refusals of Supabase: status, code and words as data, and the rules that match them."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar

from msgspec import Struct

from ..errors import ReportError, Rule
from ..runtime.http import Response, retry_after
from ..runtime.visible_text import one_line_quote
from .credentials import Credentials, Trait

Action = Literal["read", "write", "store", "list", "remove"]
"""What a request does: read or write rows and records; store, list or remove files of Storage."""
_LARGEST_ERROR = 1 << 16
"""Bytes of an error of PostgREST or Storage; real ones have a few hundred."""
_EXCERPT = 80
_READ = 1 << 14
"""Bytes of an answer that an excerpt is made from: a secret at its end is whole in them, and so is redacted."""
_STATUS = re.compile("[1-5][0-9]{2}")


class Reply(Struct, frozen=True, kw_only=True):
    """A refusal: `code` is PostgREST's, PostgreSQL's or Storage's, empty where a gateway answers.

    `words` and `hint` are in one line; without a message, `words` is the beginning of the body.
    """

    status: int
    action: Action
    table: str = ""
    code: str = ""
    words: str = ""
    hint: str = ""
    retry_after: float = 0.0

    @property
    def said(self) -> str:
        """Status, words and hint in one line."""
        words = f"HTTP {self.status}: {self.words}" if self.words else f"HTTP {self.status}"
        return f"{words}; hint: {self.hint}" if self.hint else words


def read_reply(response: Response, action: Action, table: str = "") -> Reply:
    """Read a refusal of a request about `table`; Storage's HTTP 400 has the true status in its body."""
    error = json_object(response.content)
    told = str(error.get("statusCode"))
    code = error.get("code") or error.get("error") or ""
    return Reply(
        status=int(told) if _STATUS.fullmatch(told) else response.status_code,
        action=action,
        table=table,
        code=code if isinstance(code, str) else "",
        words=one_line_quote(error["message"]) if error.get("message") else excerpt(response.content),
        # A gateway, which gives no code, hints at the same as the remedy.
        hint=one_line_quote(error["hint"]) if error.get("hint") and error.get("code") else "",
        retry_after=retry_after(response.headers),
    )


def error_code(response: Response) -> str:
    """Return the code of PostgREST's or PostgreSQL's error, an empty text if there is none."""
    return str(json_object(response.content).get("code") or "")


def json_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one for anything else, or if it is far too large."""
    try:
        answer = json.loads(content) if len(content) <= _LARGEST_ERROR else None
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def excerpt(body: bytes) -> str:
    """Return the beginning of an answer in one line."""
    return one_line_quote(body.lstrip()[:_READ].decode("utf-8", "replace"), _EXCERPT)


class ReplyRule(Rule, frozen=True, kw_only=True):
    """A rule for Supabase's answers.

    `status`, `code` and `action` are regular expressions for the whole of each (a `code` of "" matches answers without
    one), `words` for a part of the words, in upper or lower case, where `{table}` stands for the requested table.
    `who` is a trait of the credentials.
    """

    status: str = ".*"
    code: str = ".*"
    words: str = ""
    action: str = ".*"
    who: Trait | None = None

    def matches(self, reply: Reply, used: Credentials) -> bool:
        """Return whether this rule matches `reply`, to a request with the credentials `used`."""
        return bool(
            re.fullmatch(self.status, str(reply.status))
            and re.fullmatch(self.code, reply.code, re.DOTALL)
            and re.fullmatch(self.action, reply.action)
            and re.search(self.words.replace("{table}", re.escape(reply.table)), reply.words, re.IGNORECASE)
            and (self.who is None or self.who in used.traits)
        )


DASHBOARD = "Look at the project's dashboard and at https://status.supabase.com."


passing_rule = partial(ReplyRule, remedy=DASHBOARD, fault="nobody", later=True)
"""Makes a rule for an answer that is nobody's fault and may pass."""


def first_match(rules: Iterable[ReplyRule], reply: Reply, used: Credentials) -> ReplyRule:
    """Return the first of `rules` that matches; the last one of each table matches everything."""
    return next(rule for rule in rules if rule.matches(reply, used))


E = TypeVar("E", bound=ReportError)


def as_error(error: type[E], part: str, rule: ReplyRule, reply: Reply, facts: Mapping[str, str]) -> E:
    """Make the error of `rule`; its key begins with `part`.

    One about the clock is final: ClockSkew has already waited.
    """
    problem = rule.problem(reply.said, facts)
    return error(
        f"{part}.{problem.key}",
        problem.reason,
        problem.remedy,
        said=problem.said,
        group=problem.group,
        transient=rule.later and rule.key != CLOCK.key,
        retry_after=reply.retry_after,
    )


CLOCK = ReplyRule(
    key="clock",
    status="40[013]",
    # Those of PostgREST, gateways and Storage about a claim; "The JWT 'iat' claim must be a number" is final.
    code="(?!PGRST30[0245-9]).*",
    words=r"issued ?at ?(the )?future|not ?yet ?valid|not valid yet|\bnbf\b(?!.*must be)|.iat. claim timestamp",
    reason="Supabase's servers disagree about the time: a token counts as issued in the future.",
    remedy="This usually passes within seconds. If it doesn't, look at https://status.supabase.com; on a server of "
    "your own, set the clocks, best with NTP.",
    fault="nobody",
    later=True,
    group="Supabase's clocks differ",
)
