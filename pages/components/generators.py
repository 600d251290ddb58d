"""Choosing a generator: the GAN runs that have a snapshot to generate with, named so that people tell them apart."""

import re
from collections.abc import Sequence

import streamlit as st

from gan_aug import catalog, runs
from gan_aug.records import Checkpoint, Run
from pages.components import address


def available() -> dict[str, Run]:
    """The GAN runs with a snapshot, by id; those of one GAN together, newest first."""
    known = [run for run in runs.list_runs("gan") if run.spec in catalog.ENTRIES]
    found = [run for run in known if any((runs.run_folder(run.id) / "snapshots").glob("step-*/meta.json"))]
    order = list(catalog.ENTRIES)
    return {run.id: run for run in sorted(found, key=lambda run: order.index(run.spec))}


def label(run: Run) -> str:
    """What tells a run from the others, in one line."""
    generated = run.class_name or " and ".join(run.classes)
    return f"{catalog.entry(run.spec).title}, {generated}, {run.dataset}, {run.config['resolution']} px ({run.id})"


def title(run: Run, reference: str) -> str:
    """A snapshot as it is named under its picture."""
    return f"{catalog.entry(run.spec).title}, {reference.partition('@')[2]} thousand images"


def short(run: Run) -> str:
    """A run in a word or two: by the end of an id that was drawn for it, else by the name that it was given."""
    return _by_end(run, f"{catalog.entry(run.spec).title} ")


def shorts(shown: Sequence[Run]) -> list[str]:
    """The short names of several runs; their ids, should two be called the same."""
    names = [short(run) for run in shown]
    return names if len(set(names)) == len(names) else [run.id for run in shown]


def stem(run: Run) -> str:
    """The same as the beginning of a name."""
    return _by_end(run, f"{run.spec}-")


def _by_end(run: Run, before: str) -> str:
    drawn = re.search(r"-([0-9a-f]{4})$", run.id)
    return f"{before}{drawn[1]}" if drawn else run.id


def pick_run(found: dict[str, Run]) -> Run:
    """A run of ``found``, held in the address."""
    return found[
        address.pick(st.selectbox, "Generator", list(found), key="run", what="generator", format_func=lambda name: label(found[name]))
    ]


def pick_checkpoint(run: Run) -> Checkpoint:
    """A snapshot of ``run``: the best (else the newest), or one by its training length."""
    preferred = runs.resolve(run.id)[1]
    snapshots = {f"{checkpoint.kimg:g}": checkpoint for checkpoint in reversed(runs.list_checkpoints(run.id))}
    name = {f"{preferred.kimg:g}": "best" if runs.best(run.id) else "newest"}
    chosen = address.pick(
        st.selectbox, "Snapshot", [*name, *(kimg for kimg in snapshots if kimg not in name)], key="at", width=260,
        format_func=lambda kimg: f"{kimg} thousand images" + (f" ({name[kimg]})" if kimg in name else ""),
    )  # fmt: skip
    return snapshots[chosen]


def pick(found: dict[str, Run], with_class: bool = True) -> tuple[Run, Checkpoint, str | None]:
    """A run, its snapshot, and the class it shall generate (None where it does not take one), side by side."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pick_run(found)
        checkpoint = pick_checkpoint(run)
        if not (with_class and catalog.entry(run.spec).conditional):
            return run, checkpoint, None
        return run, checkpoint, address.pick(st.selectbox, "Class", list(run.classes), key="class", width=160)


def none_yet() -> None:
    """What to say where there is no generator."""
    st.info(
        "There is no trained generator yet. Train one first; its pictures can be looked at from its first snapshot on.",
        icon=":material/info:",
    )
    st.page_link("pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
