"""What was laid down when a review batch was made, and what was measured of its images."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("review_batches", sa.Column("settings", sa.JSON))
    op.add_column("review_cases", sa.Column("facts", sa.JSON))
