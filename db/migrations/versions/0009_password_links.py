"""Links by which people set a password of their own.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "password_link",
        sa.Column(
            "user_name",
            sa.Text(),
            sa.ForeignKey("account.name", name="fk_password_link_user_name_account", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_name", name="pk_password_link"),
    )
    op.create_index("uq_password_link_digest", "password_link", ["digest"], unique=True)


def downgrade() -> None:
    op.drop_table("password_link")
