"""The settings of GAN runs: where one departs from its preset, and where several differ."""

import streamlit as st

from gan_aug import catalog
from gan_aug.records import Run, spelled
from pages.components import generators
from pages.components.config_help import WORDS
from pages.components.differences import differing


def recipe(run: Run) -> str:
    """A run's preset and, in words, what was changed of it."""
    changes = [f"{WORDS[name].label} = {spelled(value)}" for name, (_, value) in catalog.changed(run).items()]
    return f"preset {run.preset or 'custom'}" + (f" (changed: {', '.join(changes)})" if changes else "")


def properties(run: Run) -> dict[str, str]:
    """What a generator was trained with: GAN, data, preset, seed, and the settings that its GAN reads."""
    idle = catalog.entry(run.spec).idle(run.config.get("architecture", "dcgan"))
    return {
        "GAN": run.spec,
        "dataset": run.dataset,
        "class": run.class_name or "all",
        "preset": run.preset or "custom",
        "seed": str(run.seed),
        **{name: spelled(value) for name, value in run.config.items() if name not in idle},
    }


def settings(shown: list[Run]) -> None:
    """All properties of one run, and the preset's values beside those that were changed; of several runs, those in which they differ."""
    if len(shown) == 1:
        (run,) = shown
        found, changed = properties(run), catalog.changed(run)
        table = {"Property": list(found), "Value": list(found.values())}
        if changed:
            table[f"In {run.preset}"] = [spelled(changed[name][0]) if name in changed else "" for name in found]
        st.dataframe(table, hide_index=True)
        return
    table = differing(dict(zip(generators.shorts(shown), map(properties, shown), strict=True)))
    if len(table):
        st.dataframe(table, hide_index=True)
    st.caption("All other settings are the same." if len(table) else "All settings are the same.")
