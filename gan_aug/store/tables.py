"""The tables, as the code sees them now. How a database gets from an older shape to this one stands in gan_aug/migrations."""

import sqlalchemy as sa

metadata = sa.MetaData(
    # Named constraints, because a migration can only change what has a name.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Times are texts: ISO 8601, UTC, microseconds, so that their alphabetical order is their order in time.

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),  # order of submission
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("workspace", sa.String(40), nullable=False),  # a job runs only where its datasets and its lock file are
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("submitted_by", sa.String(200), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),  # queued | running | done | failed | cancelled | lost
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("started", sa.String(40)),
    sa.Column("finished", sa.String(40)),
    sa.Column("heartbeat", sa.String(40)),  # last sign of progress; liveness is told by the job's lock
    sa.Column("error", sa.Text),
    sa.Column("cancel_asked", sa.String(40)),  # when somebody asked for it to stop
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("process", sa.Integer),  # process group of the running attempt
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Index(None, "workspace", "status"),
)

review_batches = sa.Table(
    "review_batches",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("mode", sa.String(20), nullable=False),  # curate | blind
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("closed", sa.String(40)),
    sa.Column("settings", sa.JSON(none_as_null=True)),  # what was laid down when it was made: seed of the orders, margin, extractor ...
)

review_cases = sa.Table(
    "review_cases",
    metadata,
    sa.Column("batch", sa.ForeignKey("review_batches.name"), primary_key=True),
    sa.Column("image", sa.String(100), primary_key=True),  # opaque: says nothing of where the picture comes from
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False),  # relative to the workspace
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("synthetic", sa.JSON(none_as_null=True)),  # records.SyntheticImage, or null for a real photograph
    sa.Column("real", sa.JSON(none_as_null=True)),  # {"dataset", "image_id"} of a real photograph
    sa.Column("repeat_of", sa.String(100)),  # blind mode shows some images twice
    sa.Column("facts", sa.JSON(none_as_null=True)),  # what was measured of it: {"nearest_real", "d_score", "uniqueness", "alike"}
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),  # order of arrival
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("batch", sa.String(100), nullable=False),
    sa.Column("reviewer", sa.String(200), nullable=False),
    sa.Column("image", sa.String(100), nullable=False),
    sa.Column("decision", sa.String(20)),
    sa.Column("reason", sa.Text),
    sa.Column("confidence", sa.Integer),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),  # by the clock of the reviewer's device, which may be wrong
    sa.Column("arrived", sa.String(40)),  # by the clock of whoever stored it; null if that was an older version
    sa.ForeignKeyConstraint(["batch", "image"], ["review_cases.batch", "review_cases.image"]),
    sa.Index(None, "batch", "reviewer", "image"),
)

curated_sets = sa.Table(
    "curated_sets",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("batch", sa.ForeignKey("review_batches.name"), nullable=False),
    sa.Column("rule", sa.String(40), nullable=False),
    sa.Column("images", sa.JSON, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)

directions = sa.Table(
    "directions",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("vector", sa.JSON, nullable=False),  # z_dim numbers
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String(100), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)

run_index = sa.Table(
    "run_index",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("spec", sa.String(100), nullable=False),
    sa.Column("dataset", sa.String(100), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("kimg", sa.Float, nullable=False),
    sa.Column("n_snapshots", sa.Integer, nullable=False),
)
