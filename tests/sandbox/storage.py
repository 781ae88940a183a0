"""A stand-in for the API of Supabase Storage over its two tables, with the answers that supabase/storage gives.

Each statement runs as the caller's role, so that rights and row-level security decide. What is stored stays in memory.
A refusal is mostly HTTP 400, and its true status stands in the body.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
import psycopg

from .postgres import Postgres
from .web import Answer, Request

LARGEST = 52_428_800
"""Bytes of a file at most, unless its bucket says otherwise."""
LIMITS = "file_size_limit, allowed_mime_types"
Row = dict[str, Any]


class RefusedError(Exception):
    """What is answered in place of what was asked."""

    def __init__(self, status: int, error: str, message: str) -> None:
        self.status = status
        self.error = error
        self.message = message
        super().__init__(message)


NO_BUCKET = RefusedError(404, "Bucket not found", "Bucket not found")
NO_OBJECT = RefusedError(404, "not_found", "Object not found")


class Storage:
    """Buckets and their files in `postgres`; `jwt_secret` signs the tokens of callers and of links."""

    def __init__(self, postgres: Postgres, jwt_secret: str) -> None:
        self._postgres = postgres
        self._jwt_secret = jwt_secret
        self._contents: dict[tuple[str, str], bytes] = {}
        self._routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", r"/bucket/([^/]+)", self._bucket),
            ("POST", r"/object/list/([^/]+)", self._list),
            ("POST", r"/object/sign/([^/]+)/(.+)", self._sign),
            ("GET", r"/object/sign/([^/]+)/(.+)", self._signed),
            ("GET", r"/object/public/([^/]+)/(.+)", self._public),
            ("GET", r"/object/(?:authenticated/)?([^/]+)/(.+)", self._download),
            ("POST", r"/object/([^/]+)/(.+)", self._upload),
            ("DELETE", r"/object/([^/]+)", self._remove),
        )

    def reset(self) -> None:
        """Forget the files; their rows are the tables'."""
        self._contents.clear()

    def answer(self, request: Request) -> Answer:
        """Do what is asked, or say why not."""
        path = unquote(urlsplit(request.target).path)
        for method, pattern, do in self._routes:
            if request.method == method and (found := re.fullmatch(pattern, path)):
                try:
                    return do(request, *found.groups())
                except RefusedError as refusal:
                    return _refused(refusal)
        return _refused(RefusedError(404, "Not Found", f"Route {request.method}:{path} not found"))

    def _bucket(self, request: Request, bucket: str) -> Answer:
        with self._as_caller(request) as ask:
            found = ask(f"select id, name, public, {LIMITS} from storage.buckets where id = $1", bucket)
        if not found:
            raise NO_BUCKET
        return _json(found[0])

    def _upload(self, request: Request, bucket: str, name: str) -> Answer:
        # The bucket's own limits are looked up whoever asks.
        found = self._postgres.sql(f"select {LIMITS} from storage.buckets where id = $1", bucket)
        if not found:
            raise NO_BUCKET
        limits = found[0]
        kind = request.headers.get("content-type", "application/octet-stream")
        if len(request.body) > (limits["file_size_limit"] or LARGEST):
            raise RefusedError(413, "Payload too large", "The object exceeded the maximum allowed size")
        if limits["allowed_mime_types"] and kind not in limits["allowed_mime_types"]:
            raise RefusedError(415, "invalid_mime_type", f"mime type {kind} is not supported")
        replace = request.headers.get("x-upsert") == "true"
        upsert = " on conflict (bucket_id, name) do update set metadata = excluded.metadata, updated_at = now()"
        metadata = json.dumps({"size": len(request.body), "mimetype": kind})
        insert = "insert into storage.objects (bucket_id, name, metadata) values ($1, $2, $3)"
        with self._as_caller(request) as ask:
            (stored,) = ask(f"{insert}{upsert if replace else ''} returning id::text", bucket, name, metadata)
            self._contents[bucket, name] = request.body
        return _json({"Key": f"{bucket}/{name}", "Id": stored["id"]})

    def _sign(self, request: Request, bucket: str, name: str) -> Answer:
        self._check_seen(request, bucket, name)
        now = int(time.time())
        claims = {"url": f"{bucket}/{name}", "iat": now, "exp": now + json.loads(request.body)["expiresIn"]}
        token = jwt.encode(claims, self._jwt_secret)
        return _json({"signedURL": f"/object/sign/{bucket}/{name}?token={token}"})

    def _signed(self, request: Request, bucket: str, name: str) -> Answer:
        (token,) = parse_qs(urlsplit(request.target).query).get("token", [""])
        if not token:
            raise RefusedError(400, "Error", "querystring must have required property 'token'")
        if self._claims(token, RefusedError(400, "InvalidJWT", "jwt malformed")).get("url") != f"{bucket}/{name}":
            raise RefusedError(400, "InvalidSignature", "The url do not match the signature")
        return self._content(bucket, name)

    def _public(self, request: Request, bucket: str, name: str) -> Answer:
        if not self._postgres.sql("select from storage.buckets where id = $1 and public", bucket):
            raise NO_BUCKET
        return self._content(bucket, name)

    def _download(self, request: Request, bucket: str, name: str) -> Answer:
        self._check_seen(request, bucket, name)
        return self._content(bucket, name)

    def _list(self, request: Request, bucket: str) -> Answer:
        """List what lies in a folder of a bucket, by the names that it has there; without a prefix, at the top."""
        asked = json.loads(request.body)
        folder = f"{asked['prefix'].strip('/')}/".lstrip("/")
        listed = (
            "select distinct split_part(name, '/', $5::int) as name, null as id, null as metadata from storage.objects "
            "where bucket_id = $1 and name ilike $2 || '%' order by 1 limit $3 offset $4"
        )
        beginning, level = folder + asked["search"], 1 + folder.count("/")
        with self._as_caller(request) as ask:
            return _json(ask(listed, bucket, beginning, str(asked["limit"]), str(asked["offset"]), str(level)))

    def _remove(self, request: Request, bucket: str) -> Answer:
        names = json.dumps(json.loads(request.body)["prefixes"])
        with self._as_caller(request) as ask:
            removed = ask(
                "delete from storage.objects where bucket_id = $1 "
                "and name in (select json_array_elements_text($2::json)) returning bucket_id, name",
                *(bucket, names),
            )
        for row in removed:
            self._contents.pop((bucket, row["name"]), None)
        return _json(removed)

    def _check_seen(self, request: Request, bucket: str, name: str) -> None:
        with self._as_caller(request) as ask:
            if not ask("select id from storage.objects where bucket_id = $1 and name = $2", bucket, name):
                raise NO_OBJECT

    def _content(self, bucket: str, name: str) -> Answer:
        content = self._contents.get((bucket, name))
        if content is None:
            raise NO_OBJECT
        return Answer(headers={"content-type": "application/octet-stream"}, body=content)

    @contextmanager
    def _as_caller(self, request: Request) -> Iterator[Callable[..., list[Row]]]:
        """Yield what runs a statement as the caller's role, in one transaction; raise RefusedError if it may not."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        claims = self._claims(token, RefusedError(403, "Unauthorized", "Invalid Compact JWS"))
        with closing(self._postgres.connect()) as connection, _refusals(), connection.transaction():
            role = str(claims.get("role", "anon"))
            settings = "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)"
            connection.execute(settings, (role, json.dumps(claims)))
            yield lambda sql, *parameters: connection.execute(sql, parameters).fetchall()

    def _claims(self, token: str, malformed: RefusedError) -> Mapping[str, Any]:
        try:
            return dict(jwt.decode(token, self._jwt_secret, ["HS256"]))
        except jwt.ExpiredSignatureError:
            raise RefusedError(malformed.status, malformed.error, '"exp" claim timestamp check failed') from None
        except jwt.InvalidTokenError:
            raise malformed from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the database refuses into what the API says."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(403, "Unauthorized", str(error.diag.message_primary)) from error
    except psycopg.errors.UniqueViolation as error:
        raise RefusedError(409, "Duplicate", "The resource already exists") from error
    except psycopg.errors.LockNotAvailable as error:
        raise RefusedError(423, "ResourceLocked", "The resource is locked") from error
    except psycopg.Error as error:
        raise RefusedError(500, "DatabaseError", str(error.diag.message_primary)) from error


def _refused(refusal: RefusedError) -> Answer:
    body = {"statusCode": f"{refusal.status}", "error": refusal.error, "message": refusal.message}
    return _json(body, status=500 if refusal.status == 500 else 400)


def _json(content: object, *, status: int = 200) -> Answer:
    return Answer(status=status, headers={"content-type": "application/json"}, body=json.dumps(content).encode())
