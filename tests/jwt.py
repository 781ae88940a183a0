"""Tokens for tests."""

import base64
import json


def unsigned_jwt(claims: object) -> str:
    """Write a token with `claims`; who signed it matters to the server only."""
    return "eyJhbGciOiJIUzI1NiJ9." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".sig"
