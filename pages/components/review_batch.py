"""The form that has the pictures of a new review batch generated."""

from typing import Any

import streamlit as st

from gan_aug import catalog, jobs, runs, stats, store, workspace
from gan_aug.data.dataset import list_datasets
from gan_aug.errors import InvalidValue
from gan_aug.records import Run
from gan_aug.workspace import check_name
from pages.components import chrome, generators

MODES = {"curate": "Curate", "blind": "Blind"}

_ABOUT = {
    "curate": "Keep or reject generated images, one by one; the accepted ones become a set for a study.",
    "blind": "Generated and real images in a random order, for each reader another; a tenth is shown twice. Readers are told neither the "
    "mix nor the repeats, and nothing of right or wrong before the batch is closed.",
}
_PARTS = {"train": "train (the generator has seen them)", "val": "val (held out)"}
_NO_EXTRACTOR = "none: distances stay unknown"


def new_batch() -> None:
    """Draw the form, and queue the job once it is sent."""
    found = generators.available()
    if not found:
        generators.none_yet()
        return
    mode = st.segmented_control("Kind", list(MODES), format_func=MODES.get, default="curate", required=True, key="batch_mode")
    st.caption(_ABOUT[mode])
    run = found[st.selectbox("Generator", list(found), format_func=lambda name: generators.label(found[name]), key="batch_run")]
    taken = taken_names()
    free = chrome.free_name(generators.stem(run), taken)
    with st.form("new_batch", border=False, enter_to_submit=False):
        conditional = catalog.entry(run.spec).conditional
        class_name = st.selectbox("Class", list(run.classes), key=f"batch_class_{run.id}") if conditional else None
        left, right = st.columns(2)
        n = left.number_input(
            "Images" if mode == "curate" else "Images in all", 10, 2000, 200 if mode == "curate" else 100, step=10, key=f"batch_n_{mode}"
        )
        first = right.number_input("First seed", 0, 10**9, 0, help="Seeds count up from here. One seed is always the same picture.")
        more = _curate_options(run) if mode == "curate" else _blind_options(run)
        name = chrome.name_field("Name of the batch", free, about=run.id, key="batch_name", used=_is_there())
        if not st.form_submit_button("Generate the batch", icon=":material/brush:", type="primary", key="batch_send"):
            return
    if check_name(name, "batch name") in taken:
        raise InvalidValue(f"There already is a batch {name}, or one is being generated.", f"Choose another name, such as {free}.")
    reference = runs.resolve(run.id)[1].id
    arguments = {"name": name, "reference": reference, "n": int(n), "first_seed": int(first), "class_name": class_name, "mode": mode}
    jobs.submit("review_batch", arguments | more)
    st.rerun()


def _is_there() -> bool:
    """Whether the name in the form is by now that of a batch, and is not being sent: then the next batch needs another."""
    return not st.session_state.get("batch_send") and st.session_state.get("batch_name") in [batch.name for batch in store.batches()]


def _curate_options(run: Run) -> dict[str, Any]:
    """What the images are compared through, so that they can be sorted."""
    there = ["derm"] if (workspace.pretrained() / "derm").exists() else []
    choices = [*there, _NO_EXTRACTOR]
    chosen = st.selectbox(
        "Measure distances through", choices,
        help="Distance to the nearest training image and to the nearest other image of the batch, once, when it is generated.",
    )  # fmt: skip
    if run.dataset not in [dataset.name for dataset in list_datasets()]:
        st.caption(
            f"The images that this generator was trained on (dataset {chrome.plain(run.dataset)}) are not in this workspace, so the "
            "distance to the nearest of them stays unknown. Distances among the images of the batch are measured."
        )
    return {"extractor": None if chosen == _NO_EXTRACTOR else chosen}


def _blind_options(run: Run) -> dict[str, Any]:
    """Where the real images come from, and what will count as chance."""
    names = [dataset.name for dataset in list_datasets()]
    if not names:
        st.warning("There is no dataset to take real images from. Import one on the page Data.", icon=":material/warning:")
    left, right = st.columns(2)
    data = left.selectbox("Real images from", names, index=names.index(run.dataset) if run.dataset in names else 0)
    part = right.selectbox(
        "Part", list(_PARTS), format_func=_PARTS.get,
        help="The test part is read once per study and is shown to nobody.",
    )  # fmt: skip
    margin = st.select_slider(
        "An accuracy so near to 50 % will count as chance",
        [0.05, 0.075, 0.1, 0.125, 0.15, 0.2],
        0.1,
        format_func=lambda margin: f"± {100 * margin:g} %",
        help="Laid down now, and not to be changed once people have judged. The nearer, the more images it takes to show it: "
        + ", ".join(f"{stats.cases_needed(margin)} at ± {100 * margin:g} %" for margin in (0.05, 0.1, 0.2))
        + ", for a reader who decides on each.",
    )
    return {"data": data, "part": part, "margin": float(margin)}


def taken_names() -> set[str]:
    """Names of batches that are there or on their way."""
    coming = [job.arguments["name"] for job in jobs.list_jobs() if job.kind == "review_batch" and job.status in jobs.OPEN]
    return {batch.name for batch in store.batches()} | set(coming)
