"""When a decision came in, beside the time by the clock of the reviewer's device."""

import datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("reviews", sa.Column("arrived", sa.String(40)))
    # Nobody noted when the rows that are there came in: at the latest now, so that one of a wrong year does not overrule all that follow.
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    op.execute(sa.text("UPDATE reviews SET arrived = CASE WHEN created > :now THEN :now ELSE created END").bindparams(now=now))
