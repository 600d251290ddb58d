"""The form that has the pictures of a new review batch painted."""

import itertools

import streamlit as st

from gan_aug import catalog, jobs, runs, store
from gan_aug.errors import InvalidValue
from gan_aug.records import Run
from gan_aug.workspace import check_name
from pages.components import generators, job_cards


def new_batch() -> None:
    """Draw the form, and queue the job once it is sent."""
    found = generators.available()
    if not found:
        generators.none_yet()
        return
    run = found[st.selectbox("Generator", list(found), format_func=lambda name: generators.label(found[name]), key="batch_run")]
    taken = _taken()
    with st.form("new_batch", border=False, enter_to_submit=False):
        conditional = catalog.entry(run.spec).conditional
        class_name = st.selectbox("Class", list(run.classes), key=f"batch_class_{run.id}") if conditional else None
        left, right = st.columns(2)
        n = left.number_input("Images", 10, 2000, 200, step=10)
        first = right.number_input("First seed", 0, 10**9, 0, help="Seeds count up from here. One seed is always the same picture.")
        name = st.text_input("Name of the batch", value=_free_name(run, taken), max_chars=100).strip()
        if not st.form_submit_button("Paint the batch", icon=":material/brush:", type="primary"):
            return
    if check_name(name, "batch name") in taken:
        raise InvalidValue(f"There already is a batch {name}, or one is being painted.", "Choose another name.")
    reference = runs.resolve(run.id)[1].id
    arguments = {"name": name, "reference": reference, "n": int(n), "first_seed": int(first), "class_name": class_name}
    jobs.submit("review_batch", arguments)
    st.rerun()


def _taken() -> set[str]:
    """Names of batches that are there or on their way."""
    coming = [job.arguments["name"] for job in jobs.list_jobs() if job.kind == "review_batch" and job.status in job_cards.ACTIVE]
    return {batch.name for batch in store.batches()} | set(coming)


def _free_name(run: Run, taken: set[str]) -> str:
    return next(name for number in itertools.count(1) if (name := f"{run.spec}-{run.id[-4:]}-{number}") not in taken)
