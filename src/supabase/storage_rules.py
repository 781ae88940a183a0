"""What a refusal by Supabase Storage means: one table.

Codes and statuses: github.com/supabase/storage, src/internal/errors/codes.ts.
"""

from ..domain.attachment import MEDIA_TYPE
from ..errors import StorageError
from .credentials import ROLE_SQL, Credentials
from .reply import CLOCK, Reply, ReplyRule, as_error, first_match

_DASHBOARD = "Look at the project's dashboard and at https://status.supabase.com."
_ACTIONS = {
    "store": ("may not store in the bucket", "select, insert, update"),
    "list": ("may not list the bucket", "select"),
    "remove": ("may not remove from the bucket", "select, delete"),
}
"""What is refused, and the rights that it needs on storage.objects."""

STORAGE_RULES = (
    CLOCK,
    ReplyRule(
        key="permission",
        status="40[013]",
        code="InvalidJWT|.*jwt.*",
        reason="{setting} {refused} {bucket}.",
        remedy="Use a secret key of this project, or a token that has not expired.",
    ),
    ReplyRule(
        key="permission",
        status="40[13]",
        words=r"\A(?!<)",  # Storage sends no web page: one that does stands before it
        reason="{setting} {refused} {bucket}.",
        remedy="Use a secret key, or give its role policies on storage.buckets (select) and storage.objects "
        f"({{rights}}): {ROLE_SQL} has them.",
    ),
    ReplyRule(
        key="no_such_bucket",
        status="404",
        words="Bucket not found",
        reason="{setting} sees no bucket {bucket} in Supabase Storage.",
        remedy="Create it there, private, or correct REPORT_BUCKET.",
    ),
    ReplyRule(
        key="no_such_file",
        status="404",
        words="Object not found",
        reason="Supabase Storage doesn't find a file in the bucket {bucket}.",
        remedy="Look whether something removes files from the bucket at once.",
    ),
    ReplyRule(
        key="too_large",
        status="413",
        reason="Supabase Storage takes no file of this size.",
        remedy="Raise the size limit of the bucket or of the project.",
    ),
    ReplyRule(
        key="type",
        status="415",
        reason="The bucket {bucket} takes no workbooks.",
        remedy=f"Allow the type {MEDIA_TYPE} in its settings.",
    ),
    ReplyRule(
        key="locked",
        status="423",
        reason="Another request holds the file in the bucket {bucket}.",
        remedy=_DASHBOARD,
        fault="nobody",
        later=True,
    ),
    ReplyRule(
        key="rate_limit",
        status="429",
        reason="Supabase Storage limits the number of requests.",
        remedy="Look for what else uses the project.",
        fault="nobody",
        later=True,
    ),
    ReplyRule(
        key="paused",
        status="540",
        reason="The Supabase project is paused.",
        remedy="Restore it in the dashboard.",
    ),
    ReplyRule(
        key="quota",
        status="402",
        reason="The Supabase project is over its quota.",
        remedy="Look at the organization's usage and billing in the dashboard.",
    ),
    ReplyRule(
        key="gateway",
        status="50[234]|52.|530",
        code="",
        reason="Supabase's gateway has no answer from Storage.",
        remedy=_DASHBOARD,
        fault="nobody",
        later=True,
    ),
    ReplyRule(
        key="failed",
        status="5..|408|425",
        reason="Supabase Storage is out of order.",
        remedy=_DASHBOARD,
        fault="nobody",
        later=True,
    ),
    ReplyRule(
        key="refused",
        reason="Supabase Storage rejected the request.",
        remedy="Its words say why.",
    ),
)


def storage_refusal(reply: Reply, bucket: str, used: Credentials) -> StorageError:
    """Return the error of a refusal to a request about `bucket` with the credentials `used`."""
    refused, rights = _ACTIONS[reply.action]
    facts = {"setting": used.setting, "bucket": bucket, "refused": refused, "rights": rights}
    return as_error(StorageError, "storage", first_match(STORAGE_RULES, reply, used), reply, facts)
