"""Who may sign in to the dashboard, and how: users, tokens of programs, browsers, failures.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_account"),
    )
    op.create_table(
        "api_token",
        sa.Column("id", ID, nullable=False),
        _owner("api_token"),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
    )
    op.create_index("uq_api_token_digest", "api_token", ["digest"], unique=True)
    op.create_index("ix_api_token_user_name", "api_token", ["user_name"])
    op.create_table(
        "web_session",
        sa.Column("digest", sa.Text(), nullable=False),
        _owner("web_session"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_web_session"),
    )
    op.create_index("ix_web_session_user_name", "web_session", ["user_name"])
    op.create_index("ix_web_session_expires_at", "web_session", ["expires_at"])
    op.create_table(
        "login_failure",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("blocked_until", MOMENT),
        sa.PrimaryKeyConstraint("key", name="pk_login_failure"),
    )


def downgrade() -> None:
    for table in ("login_failure", "web_session", "api_token", "account"):
        op.drop_table(table)


def _owner(table: str) -> sa.Column[str]:
    key = sa.ForeignKey("account.name", name=f"fk_{table}_user_name_account", ondelete="CASCADE")
    return sa.Column("user_name", sa.Text(), key, nullable=False)
