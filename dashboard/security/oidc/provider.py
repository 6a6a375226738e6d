"""The provider of identities: where it is asked, what it answers, and what of that is believed."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dashboard.config import Oidc, is_private
from dashboard.remembered import Remembered
from dashboard.security.oidc.attempt import Attempt
from dashboard.security.oidc.identity import values_of

_ANSWER_SECONDS = 5.0
_KEEP_SECONDS = 300.0
"""For so long its own description is not asked for again."""
_LEEWAY_SECONDS = 60
"""How far its clock may be from ours."""
_SCOPES = ("profile", "email", "groups")
_ALGORITHMS = tuple(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512))
"""Of signatures that only the provider can make: with a shared secret, a token could be ours."""


class ProviderError(Exception):
    """The provider did not answer, or not as agreed. For the log; a person is told less."""


class Provider:
    """OpenID Connect, found by discovery."""

    def __init__(self, oidc: Oidc) -> None:
        self._oidc = oidc
        self._memory = Remembered()

    def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where a browser signs in.

        Raises:
            ProviderError: it does not say where.
        """
        described = self._described()
        with self._client(described, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                described["authorization_endpoint"],
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(url)

    def claims(self, code: str, attempt: Attempt, redirect_uri: str, issuer: str | None) -> Mapping[str, Any]:
        """What it says of whoever brings `code` back, verified; `issuer` is what came with the code (RFC 9207).

        Raises:
            ProviderError: it does not answer, or something in its answer is not as it must be.
        """
        described = self._described()
        promised = described.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._oidc.issuer and (issuer is not None or promised):
            raise ProviderError(f"the code is of {issuer!r}")
        try:
            with self._client(described, redirect_uri) as client:
                tokens = client.fetch_token(
                    described["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.verifier,
                    allow_redirects=False,
                )
            claims = self._verified(tokens, described, attempt)
            return self._completed(claims, tokens, described)
        except (AuthlibBaseError, JoseError, requests.RequestException, ValueError, KeyError) as error:
            raise ProviderError(f"{type(error).__name__}: {error}") from error

    def _client(self, described: Mapping[str, Any], redirect_uri: str) -> OAuth2Session:
        methods = described.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        offered = set(described.get("scopes_supported") or ())
        return OAuth2Session(
            self._oidc.client_id,
            self._oidc.client_secret,
            token_endpoint_auth_method=(
                "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
            ),
            scope=" ".join(("openid", *(scope for scope in _SCOPES if scope in offered))),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=_ANSWER_SECONDS,
        )

    def _described(self) -> Mapping[str, Any]:
        return self._memory.get("description", _KEEP_SECONDS, self._discover)

    def _discover(self) -> Mapping[str, Any]:
        found = _get(get_well_known_url(self._oidc.issuer, external=True))
        if found.get("issuer") != self._oidc.issuer:
            raise ProviderError(f"{self._oidc.issuer!r} calls itself {found.get('issuer')!r}")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        optional = ("userinfo_endpoint",) if "userinfo_endpoint" in found else ()
        for name in (*needed, *optional):
            if not (isinstance(found.get(name), str) and is_private(found[name])):
                raise ProviderError(f"{name} of {self._oidc.issuer!r} is not an https address")
        return found

    def _verified(
        self, tokens: Mapping[str, Any], described: Mapping[str, Any], attempt: Attempt
    ) -> dict[str, Any]:
        # Its keys are asked for each time: people sign in rarely, and keys that have been withdrawn must not count.
        keys = _get(described["jwks_uri"]).get("keys")
        if not isinstance(keys, list):
            raise ProviderError("it shows no keys")
        signing = [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        token = jwt.decode(
            str(tokens["id_token"]), KeySet.import_key_set({"keys": signing}), algorithms=_ALGORITHMS
        )
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": self._oidc.issuer},
                "aud": {"essential": True, "value": self._oidc.client_id},
            },
            params={
                "nonce": attempt.nonce,
                "client_id": self._oidc.client_id,
                "access_token": tokens.get("access_token"),
            },
        )
        claims.validate(leeway=_LEEWAY_SECONDS)
        return dict(claims)

    def _completed(
        self, claims: dict[str, Any], tokens: Mapping[str, Any], described: Mapping[str, Any]
    ) -> dict[str, Any]:
        """With what only its userinfo says, where the id token tells no role."""
        if values_of(claims, self._oidc.role_claim) or "userinfo_endpoint" not in described:
            return claims
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        more = _get(described["userinfo_endpoint"], bearer)
        if more.get("sub") != claims["sub"]:
            raise ProviderError("its userinfo is about somebody else")
        return {**more, **claims}


def _get(address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    try:
        answer = requests.get(address, headers=headers, timeout=_ANSWER_SECONDS, allow_redirects=False)
        found = answer.json() if answer.status_code == HTTPStatus.OK else None
    except (requests.RequestException, ValueError) as error:
        raise ProviderError(f"{address}: {type(error).__name__}: {error}") from error
    if not isinstance(found, dict):
        raise ProviderError(f"{address}: {answer.status_code}, and no JSON object")
    return found
