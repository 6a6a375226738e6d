from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base


class User(Base):
    """Somebody who may sign in. A provider of identities may know the password in our place."""

    __tablename__ = "account"  # `user` is a word of SQL

    name: Mapped[str] = mapped_column(StrangersText, primary_key=True)  # asked for by whoever signs in
    role: Mapped[str] = mapped_column(Text)
    """One of `db.roles.Role`."""
    password_hash: Mapped[str | None] = mapped_column(Text)
    """Argon2id, with its parameters; null: signs in elsewhere."""
    disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(default=now())


class ApiToken(Base):
    """What a program shows in place of a password. The token itself is not kept."""

    __tablename__ = "api_token"
    __table_args__ = (Index("uq_api_token_digest", "digest", unique=True), Index(None, "user_name"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("account.name", ondelete="CASCADE"))
    label: Mapped[str] = mapped_column(StrangersText)
    """What it is for, in its owner's words."""
    start: Mapped[str] = mapped_column(Text)
    """How the token begins, to tell it from others."""
    digest: Mapped[str] = mapped_column(Text)
    """SHA-256 of the token, which is random and long: no salt and no slow hash would add anything."""
    role: Mapped[str] = mapped_column(Text)
    """At most this, and at most what its owner may by now."""
    created_at: Mapped[datetime] = mapped_column(default=now())
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """To the hour."""
    revoked_at: Mapped[datetime | None]


class WebSession(Base):
    """A browser that has signed in."""

    __tablename__ = "web_session"
    __table_args__ = (Index(None, "user_name"), Index(None, "expires_at"))

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    """SHA-256 of what its cookie holds."""
    user_name: Mapped[str] = mapped_column(ForeignKey("account.name", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=now())
    seen_at: Mapped[datetime] = mapped_column(default=now())
    """To the minute."""
    expires_at: Mapped[datetime]
    """Whatever is seen of it until then."""


class PasswordLink(Base):
    """A link by which somebody sets a password of their own, good once."""

    __tablename__ = "password_link"
    __table_args__ = (Index("uq_password_link_digest", "digest", unique=True),)

    user_name: Mapped[str] = mapped_column(ForeignKey("account.name", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(Text)
    """SHA-256 of the secret in it."""
    expires_at: Mapped[datetime]


class ProviderIdentity(Base):
    """Whom a provider of identities knows a user as."""

    __tablename__ = "provider_identity"
    __table_args__ = (Index(None, "user_name"),)

    issuer: Mapped[str] = mapped_column(Text, primary_key=True)
    """The provider's address."""
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    """Its number for them; names there may change hands."""
    user_name: Mapped[str] = mapped_column(ForeignKey("account.name", ondelete="CASCADE"))


class LoginFailure(Base):
    """How often a name or an address has failed to sign in lately, and until when it need not try."""

    __tablename__ = "login_failure"

    key: Mapped[str] = mapped_column(StrangersText, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(default=now())
    """Of the newest one."""
    blocked_until: Mapped[datetime | None]
