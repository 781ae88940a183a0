"""A server that asks to be left alone is, that long."""

import httpx
import pytest

from src.runtime.retry import retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Mon, 23 Nov 2026 14:01:30 GMT", "date": "Mon, 23 Nov 2026 14:00:00 GMT"}, 90),
        ({"retry-after": "Mon, 23 Nov 2026 13:00:00 GMT", "date": "Mon, 23 Nov 2026 14:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 23 Nov 2026 14:01:30 GMT"}, 0),
        ({"retry-after": "soon"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float) -> None:
    """By the server's own clock."""
    assert retry_after(httpx.Headers(headers)) == seconds
