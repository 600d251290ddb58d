"""The table of GAN runs: filtered by words, sorted by its columns; the chosen rows drive the charts."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from gan_aug import catalog, files
from pages.components import chrome
from pages.components.seen_runs import SeenRun

MOST = 6  # runs in one chart: as many as there are looks of a line
LONGEST = 38 + 35 * 8 + 18  # px: a header and eight rows, and half a ninth, which says that there are more


def run_table(found: list[SeenRun], shown: SeenRun, beside: Sequence[str]) -> list[SeenRun]:
    """Show the runs, those with the ids ``shown`` and ``beside`` chosen at first.

    Returns
    -------
    list of SeenRun
        What is chosen now, ``shown`` first if it still is; at least one, at most :data:`MOST`.
    """
    words = st.text_input(
        "Filter", key="filter", bind="query-params", label_visibility="collapsed", icon=":material/filter_alt:",
        placeholder="Filter: parts of names, GAN, data, class or state, such as dcgan finished",
    )  # fmt: skip
    kept = [seen for seen in found if matches(seen, words)]
    if not kept:
        st.info("No run has all these words.", icon=":material/filter_alt_off:")
        return [shown]
    ids = [seen.run.id for seen in kept]
    # The table is a new element when its runs are others, so that a chosen row number is never read against another list.
    event = st.dataframe(
        pd.DataFrame([_row(seen) for seen in kept]),
        key=f"runs-{files.sha256_bytes(' '.join(ids).encode())[:8]}",
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(name) for name in (shown.run.id, *beside) if name in ids]}},
        height=min(38 + 35 * len(kept), LONGEST),
        placeholder="",
        column_config={
            "Run": st.column_config.TextColumn(width=245),  # others give way: an id is of use when it can be read
            "Class": st.column_config.TextColumn(width=80),
            "Progress": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.0f %%", width="small"),
            "Size": st.column_config.NumberColumn(format="%d px"),
            "Thousand images": st.column_config.NumberColumn("k images", format="%.1f", help="Thousand images shown so far"),
            "Images / s": st.column_config.NumberColumn(format="%.0f"),
        },
    )
    chosen = [kept[row] for row in event.selection.rows]
    if len(chosen) > MOST:
        st.caption(f"The first {MOST} of the chosen runs are charted.")
    elif len(kept) > 1:
        st.caption("Choose several rows to see their charts together; a click on a column's name sorts.")
    chosen.sort(key=lambda seen: seen.run.id != shown.run.id)  # stable: the run that is shown stays the first
    return chosen[:MOST] or [shown]


def matches(seen: SeenRun, words: str) -> bool:
    """Whether every word is part of what the table says of a run, in whatever case."""
    text = " ".join(str(value) for value in _row(seen).values()).lower() + f" {seen.run.spec} {seen.run.preset or 'custom'}"
    return all(word in text for word in words.lower().split())


def _row(seen: SeenRun) -> dict[str, object]:
    run, status = seen.run, seen.status
    return {
        "Run": run.id,
        "State": seen.badge[0],
        "Progress": min(100.0, 100 * status.kimg / status.total_kimg) if status.total_kimg else 0.0,
        "GAN": catalog.entry(run.spec).title.partition(" (")[0],
        "Preset": (run.preset or "custom") + (", changed" if catalog.changed(run) else ""),
        "Data": run.dataset,
        "Class": run.class_name or "all",
        "Size": run.config["resolution"],
        "Seed": run.seed,
        "Thousand images": status.kimg,
        "Images / s": status.images_per_second or None,  # a published run does not know
        "Started": chrome.ago(run.created),
    }
