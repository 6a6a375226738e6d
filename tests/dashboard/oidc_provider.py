"""A provider of identities on loopback: small, strict in what it asks of clients, and told by tests when to lie."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

CLIENT_ID = "fleet"
CLIENT_SECRET = "what only the fleet and its provider know"


@dataclass
class Provider:
    """What it knows, and what a test may change of it."""

    port: int
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "1734", "preferred_username": "anna"})
    """Whoever signs in next."""
    lies: dict[str, Any] = field(default_factory=dict)
    """Claims of id tokens, in place of true ones; None: left out."""
    only_in_userinfo: dict[str, Any] = field(default_factory=dict)
    described_otherwise: dict[str, Any] = field(default_factory=dict)
    sign: str = "ES256"
    signing_key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    shown_key: ECKey | None = None
    """In place of the one it signs with."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    access: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def description(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "scopes_supported": ["openid", "profile", "groups"],
            "authorization_response_iss_parameter_supported": True,
            **self.described_otherwise,
        }

    def keys(self) -> dict[str, Any]:
        """With one that is for something else, as real ones have them."""
        other = ECKey.generate_key("P-256", auto_kid=True).as_dict(private=False)
        return {
            "keys": [{**other, "use": "enc"}, (self.shown_key or self.signing_key).as_dict(private=False)]
        }

    def authorize(self, query: Mapping[str, str]) -> str:
        """Where the browser is sent back to; whoever sits there has signed in."""
        assert (query["client_id"], query["response_type"]) == (CLIENT_ID, "code")
        assert query["code_challenge_method"] == "S256"
        assert query["scope"].split() == ["openid", "profile", "groups"]
        code = secrets.token_urlsafe(16)
        self.codes[code] = dict(query)
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def tokens(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any] | None:
        """None: refused."""
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            asked is None
            or authorization != f"Basic {basic}"
            or challenge.decode().rstrip("=") != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return None
        access_token = secrets.token_urlsafe(16)
        self.access[access_token] = {"sub": self.person["sub"], **self.only_in_userinfo}
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "id_token": self.id_token(asked["nonce"], access_token),
        }

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
            **self.person,
            **self.lies,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.sign, "kid": self.signing_key.kid}
        if self.sign == "none":
            parts = (json.dumps(part).encode() for part in (header, claims))
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        key = OctKey.import_key(CLIENT_SECRET) if self.sign == "HS256" else self.signing_key
        return jwt.encode(header, claims, key, algorithms=[self.sign])


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider, parts = cast("_Server", self.server).provider, urlsplit(self.path)
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", provider.authorize(_single(parts.query)))
            self.end_headers()
        elif parts.path == "/.well-known/openid-configuration":
            self._answer(provider.description())
        elif parts.path == "/keys":
            self._answer(provider.keys())
        elif parts.path == "/userinfo":
            self._answer(provider.access[self.headers["Authorization"].removeprefix("Bearer ")])
        else:
            self._answer(None)

    def do_POST(self) -> None:
        form = _single(self.rfile.read(int(self.headers["Content-Length"])).decode())
        found = cast("_Server", self.server).provider.tokens(self.headers.get("Authorization", ""), form)
        self._answer(found)

    def _answer(self, found: Mapping[str, Any] | None) -> None:
        body = json.dumps({"error": "invalid_grant"} if found is None else found).encode()
        self.send_response(400 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Not into the output of the tests."""


class _Server(ThreadingHTTPServer):
    provider: Provider


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


@contextmanager
def running() -> Iterator[Provider]:
    """One that answers until the end of the block."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.provider = Provider(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.provider
        finally:
            server.shutdown()
            thread.join()
