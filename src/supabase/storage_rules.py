"""Rules for refusals by Supabase Storage: one table.

Codes and statuses: github.com/supabase/storage, src/internal/errors/codes.ts.
"""

from msgspec.structs import replace

from ..domain.attachment import MEDIA_TYPE
from ..errors import StorageError
from .credentials import ROLE_SQL, Credentials
from .reply import CLOCK, Action, Reply, ReplyRule, as_error, first_match, passing_rule
from .rest_rules import PROJECT_RULES

_ACTIONS: dict[Action, tuple[str, str]] = {
    "store": ("may not store in the bucket", "select, insert, update"),
    "list": ("may not list the bucket", "select"),
    "remove": ("may not remove from the bucket", "select, delete"),
}
"""What was refused, and the rights on storage.objects that it requires."""
_OTHERS = "Look for what else uses the project."

STORAGE_RULES = (
    CLOCK,
    ReplyRule(
        key="permission",
        status="401",
        code="",
        words=r"\A(?!<)",  # of the gateway, which looks at the key alone; a web page is not its own
        reason="Supabase rejected SUPABASE_KEY.",
        remedy="Set SUPABASE_KEY to a key from the project's API settings.",
    ),
    ReplyRule(
        key="permission",
        status="40[013]",
        code="InvalidJWT|.*JWT.*",
        reason="{setting} {refused} {bucket}.",
        remedy="Use a secret key of this project, or a token that has not expired.",
    ),
    ReplyRule(
        key="permission",
        status="40[13]",
        words=r"\A(?!<)",
        reason="{setting} {refused} {bucket}.",
        remedy="Use a secret key, or give its role policies on storage.buckets (select) and storage.objects "
        f"({{rights}}): {ROLE_SQL} has them.",
    ),
    ReplyRule(
        key="no_such_bucket",
        status="404",
        words="bucket not found|related resource does not exist|resource was not found",
        reason="{setting} sees no bucket {bucket} in Supabase Storage.",
        remedy="Create it there, private, or correct REPORT_BUCKET.",
    ),
    ReplyRule(
        key="no_such_file",
        status="404",
        words="object not found",
        reason="Supabase Storage doesn't find a file in the bucket {bucket}.",
        remedy="Look for what removes files from the bucket.",
    ),
    ReplyRule(
        key="too_large",
        status="413",
        reason="Supabase Storage takes no file of this size.",
        remedy="Raise the size limit of the bucket or of the project.",
    ),
    ReplyRule(
        key="type",
        status="415|422",
        reason="The bucket {bucket} takes no workbooks.",
        remedy=f"Allow the type {MEDIA_TYPE} in its settings.",
    ),
    passing_rule(key="locked", reason="Another request holds the file in the bucket {bucket}.", status="423"),
    passing_rule(
        key="rate_limit", reason="Supabase Storage limits the number of requests.", remedy=_OTHERS, status="429"
    ),
    passing_rule(
        key="rate_limit", reason="Supabase Storage limits the number of requests.", remedy=_OTHERS, words="SlowDown"
    ),
    *(replace(rule, group="") for rule in PROJECT_RULES),
    passing_rule(
        key="gateway", reason="Supabase's gateway has no answer from Storage.", status="50[234]|52.|530", code=""
    ),
    passing_rule(key="failed", reason="Supabase Storage is out of order.", status="5..|408|425"),
    ReplyRule(
        key="rejected",
        reason="Supabase Storage rejected the request.",
        remedy="Its words say why.",
    ),
)


def storage_refusal(reply: Reply, bucket: str, used: Credentials) -> StorageError:
    """Return the error of a refused request about `bucket` with the credentials `used`."""
    rule = first_match(STORAGE_RULES, reply, used)
    return as_error(StorageError, "storage", rule, reply, storage_facts(reply.action, bucket, used))


def storage_facts(action: Action, bucket: str, used: Credentials) -> dict[str, str]:
    """Return the facts that reasons and remedies of the rules name."""
    refused, rights = _ACTIONS[action]
    return {"setting": used.setting, "bucket": bucket, "refused": refused, "rights": rights}
