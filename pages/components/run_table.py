"""The table of GAN runs, in which one is always chosen."""

import pandas as pd
import streamlit as st

from gan_aug import catalog, files
from pages.components import chrome
from pages.components.seen_runs import SeenRun


def run_table(found: list[SeenRun], shown: str) -> SeenRun:
    """Show the runs; returns the chosen one, at first that with the id ``shown``."""
    ids = [seen.run.id for seen in found]
    # The table is a new element when runs are added, so that its chosen row number is never read against another list.
    event = st.dataframe(
        pd.DataFrame([_row(seen) for seen in found]),
        key=f"runs-{files.sha256_bytes(' '.join(ids).encode())[:8]}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [ids.index(shown)]}},
        height=min(38 + 35 * len(found), 213),
        column_config={
            "Progress": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.0f %%", width="small"),
            "Size": st.column_config.NumberColumn(format="%d px"),
            "Thousand images": st.column_config.NumberColumn(format="%.1f"),
        },
    )
    return found[event.selection.rows[0]]


def _row(seen: SeenRun) -> dict[str, object]:
    run, status = seen.run, seen.status
    return {
        "Run": run.id,
        "State": seen.badge[0],
        "Progress": min(100.0, 100 * status.kimg / status.total_kimg) if status.total_kimg else 0.0,
        "GAN": catalog.entry(run.spec).title,
        "Data": run.dataset,
        "Class": run.class_name or "all",
        "Size": run.config["resolution"],
        "Thousand images": status.kimg,
        "Started": chrome.ago(run.created),
    }
