"""Whom a provider of identities knows a user as.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_identity",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "user_name",
            sa.Text(),
            sa.ForeignKey("account.name", name="fk_provider_identity_user_name_account", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_provider_identity"),
    )
    op.create_index("ix_provider_identity_user_name", "provider_identity", ["user_name"])


def downgrade() -> None:
    op.drop_table("provider_identity")
