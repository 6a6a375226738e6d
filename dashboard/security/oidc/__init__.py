"""Signing in at a provider of identities: OpenID Connect's code flow, with PKCE (RFC 7636) and `iss` (RFC 9207)."""
