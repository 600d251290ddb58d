"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("submitted_by", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("started", sa.String(40)),
        sa.Column("finished", sa.String(40)),
        sa.Column("heartbeat", sa.String(40)),
        sa.Column("error", sa.Text),
        sa.Column("cancel_asked", sa.String(40)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("process", sa.Integer),
        sa.Column("result", sa.JSON),
        sa.PrimaryKeyConstraint("sequence", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
    )
    op.create_index("ix_jobs_workspace_status", "jobs", ["workspace", "status"])
    _create_review_tables()
    op.create_table(
        "directions",
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("vector", sa.JSON, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_directions"),
    )
    op.create_table(
        "notes",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_notes"),
    )
    op.create_index("ix_notes_run_id", "notes", ["run_id"])
    op.create_table(
        "run_index",
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("spec", sa.String(100), nullable=False),
        sa.Column("dataset", sa.String(100), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("kimg", sa.Float, nullable=False),
        sa.Column("n_snapshots", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_index"),
    )


def _create_review_tables() -> None:
    op.create_table(
        "review_batches",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("closed", sa.String(40)),
        sa.PrimaryKeyConstraint("name", name="pk_review_batches"),
    )
    op.create_table(
        "review_cases",
        sa.Column("batch", sa.String(100), nullable=False),
        sa.Column("image", sa.String(100), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("synthetic", sa.JSON),
        sa.Column("real", sa.JSON),
        sa.Column("repeat_of", sa.String(100)),
        sa.PrimaryKeyConstraint("batch", "image", name="pk_review_cases"),
        sa.ForeignKeyConstraint(["batch"], ["review_batches.name"], name="fk_review_cases_batch"),
    )
    op.create_table(
        "reviews",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("batch", sa.String(100), nullable=False),
        sa.Column("reviewer", sa.String(200), nullable=False),
        sa.Column("image", sa.String(100), nullable=False),
        sa.Column("decision", sa.String(20)),
        sa.Column("reason", sa.Text),
        sa.Column("confidence", sa.Integer),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_reviews"),
        sa.UniqueConstraint("id", name="uq_reviews_id"),
        sa.ForeignKeyConstraint(["batch", "image"], ["review_cases.batch", "review_cases.image"], name="fk_reviews_batch_image"),
    )
    op.create_index("ix_reviews_batch_reviewer_image", "reviews", ["batch", "reviewer", "image"])
    op.create_table(
        "curated_sets",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("batch", sa.String(100), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("images", sa.JSON, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_curated_sets"),
        sa.ForeignKeyConstraint(["batch"], ["review_batches.name"], name="fk_curated_sets_batch"),
    )
