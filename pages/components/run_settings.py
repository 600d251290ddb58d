"""The settings of GAN runs: where one departs from its preset, and where several differ."""

import itertools

import pandas as pd
import streamlit as st

from gan_aug import catalog
from gan_aug.records import Run, spelled
from pages.components import generators
from pages.components.config_help import WORDS


def recipe(run: Run) -> str:
    """A run's preset and, in words, what was changed of it."""
    changes = [f"{WORDS[name].label} = {spelled(value)}" for name, (_, value) in catalog.changed(run).items()]
    return f"preset {run.preset or 'custom'}" + (f" (changed: {', '.join(changes)})" if changes else "")


def settings(shown: list[Run]) -> None:
    """All settings of one run, the preset's beside those that were changed; of several runs, those in which they differ."""
    if len(shown) > 1:
        _differences(shown)
        return
    (run,) = shown
    read = _read_by(run)
    table = {"setting": list(read), "value": list(read.values())}
    if changed := catalog.changed(run):
        table[f"in {run.preset}"] = [spelled(changed[name][0]) if name in changed else "" for name in read]
    st.dataframe(table, hide_index=True)


def _differences(shown: list[Run]) -> None:
    read = [_read_by(run) for run in shown]
    # A setting is blank where a GAN does not know it, or did not yet.
    rows = {name: [values.get(name, "") for values in read] for name in dict.fromkeys(itertools.chain(*read))}
    rows = {name: values for name, values in rows.items() if len(set(values)) > 1}
    if rows:
        st.dataframe(pd.DataFrame.from_dict(rows, "index", columns=generators.shorts(shown)).rename_axis("setting"))
    st.caption("All other settings are the same." if rows else "All settings are the same.")


def _read_by(run: Run) -> dict[str, str]:
    """The settings that the run's GAN reads."""
    unused = catalog.entry(run.spec).unused
    return {name: spelled(value) for name, value in run.config.items() if name not in unused}
