"""The corpus of Supabase's answers, read as cases: what came, and the verdict."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
from msgspec import Struct
from pydantic import SecretStr

from src.supabase.credentials import Credentials

from ..jwt import unsigned_jwt

FOLDER = Path(__file__).parent
_SETTING = re.compile(r"\b(?:SUPABASE|REPORT)_[A-Z_]+\b")
CREDENTIALS = {
    "secret": Credentials(key=SecretStr("sb_secret_0123456789abcdef")),
    "service_jwt": Credentials(key=SecretStr(unsigned_jwt({"role": "service_role"}))),
    "anon_jwt": Credentials(key=SecretStr(unsigned_jwt({"role": "anon"}))),
    "publishable": Credentials(key=SecretStr("sb_publishable_0123456789abcdef")),
    "reports_jwt": Credentials(
        key=SecretStr("sb_publishable_0123456789abcdef"),
        token=SecretStr(unsigned_jwt({"role": "reports_generator"})),
    ),
}


class Case(Struct, frozen=True, kw_only=True):
    """An answer to a request with some credentials, and its verdict."""

    line: int
    request: str
    credentials: str
    status: int
    headers: dict[str, str]
    body: bytes
    key: str
    fault: str
    when: str
    setting: str

    @property
    def name(self) -> str:
        """A name for the test of this case."""
        return f"{self.line}-{self.request}-{self.credentials}-{self.status}-{self.key}"

    @property
    def used(self) -> Credentials:
        """What the request was sent with."""
        return CREDENTIALS[self.credentials]

    @property
    def settings(self) -> set[str]:
        """The settings that the remedy may name."""
        return {*self.setting.split(",")} - {"-"}

    def response(self) -> httpx.Response:
        """Return the answer as the client gets it."""
        method = "PATCH" if self.request.endswith("write") else "GET"
        request = httpx.Request(method, "https://abcdefghijklmnop.supabase.co/rest/v1/analyses")
        return httpx.Response(self.status, headers=self.headers, content=self.body, request=request)


def read_cases(file: str) -> list[Case]:
    """Read a file of the corpus."""
    return [*_cases((FOLDER / file).read_text())]


def _cases(text: str) -> Iterator[Case]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line and not line.startswith("#")]
    for number, line in lines[1:]:
        request, credentials, status, headers, body, key, fault, when, setting, _ = line.split("\t")
        yield Case(
            line=number,
            request=request,
            credentials=credentials,
            status=int(status),
            headers=_headers(headers),
            body=b""
            if body == "-"
            else body.replace("\\n", "\n").replace("\\t", "\t").encode()
            if not body.startswith(("{", "["))
            else body.encode(),
            key=key,
            fault=fault,
            when=when,
            setting=setting,
        )


def _headers(text: str) -> dict[str, str]:
    parts = [] if text == "-" else re.split(r"; (?=[a-z-]+: )", text)
    return dict(part.split(": ", 1) for part in parts)


def blamed(text: str) -> set[str]:
    """Return the settings that a text names."""
    return {*_SETTING.findall(text)} - {"REPORT_LEDGER"}  # named where its table is missing
