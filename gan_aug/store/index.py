"""A table of the runs, made from their folders. The folders are the truth; the table answers questions over many runs at once."""

from typing import Any

import sqlalchemy as sa

from gan_aug.store import tables
from gan_aug.store.database import read, write


def reindex() -> int:
    """Make the table of runs anew from the run folders, and return how many there are."""
    from gan_aug import runs  # it brings pandas, which doubles the time that a job takes to start

    rows = []
    for run, status in runs.scan_statuses(runs.list_runs())[0]:
        row = {"run_id": run.id, "kind": run.kind, "spec": run.spec, "dataset": run.dataset, "created": run.created}
        rows.append({**row, "state": status.state, "kimg": status.kimg, "n_snapshots": len(runs.list_checkpoints(run.id))})

    def replace(connection: sa.Connection) -> None:
        connection.execute(tables.run_index.delete())
        if rows:
            connection.execute(tables.run_index.insert(), rows)

    write(replace)
    return len(rows)


def indexed_runs() -> list[dict[str, Any]]:
    """The table of runs as it was at the last :func:`reindex`, newest first."""
    query = sa.select(tables.run_index).order_by(tables.run_index.c.created.desc())
    return [dict(row) for row in read(lambda connection: connection.execute(query).mappings().all())]
