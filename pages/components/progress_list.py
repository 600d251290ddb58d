"""The four steps from images to an answer, each with how far it has come and where to go on."""

import dataclasses

import streamlit as st

from gan_aug import runs, store, study
from gan_aug.data.dataset import list_datasets
from gan_aug.errors import CorruptFile, NotFound
from gan_aug.study import Analysis
from pages.components import chrome, shipped

_DONE = ("Done", ":material/check_circle:", "green")
_NEXT = ("Next", ":material/arrow_circle_right:", "blue")
_LATER = ("Later", ":material/circle:", "gray")


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing to do, and whether it was done."""

    title: str
    done: bool
    detail: str
    page: str
    action: str


def progress_list() -> None:
    """Show the steps; the first that is not done is the next one."""
    found = [_data(), _gan(), _review(), _compare()]
    following = next((step for step in found if not step.done), None)
    with st.container(border=True):
        for step in found:
            _row(step, following=step is following)


def _row(step: Step, following: bool) -> None:
    word, icon, colour = _DONE if step.done else _NEXT if following else _LATER
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(word, icon=icon, color=colour, width=70)
        with st.container(width="stretch", gap=None):
            st.markdown(f"**{step.title}**")
            st.caption(chrome.plain(step.detail))
        st.page_link(step.page, label=step.action, icon=":material/arrow_forward:", width="content")


def _data() -> Step:
    datasets = list_datasets()
    detail = (
        ", ".join(f"{record.name} ({record.n_images:,} images)" for record in datasets) or "Photographs with benign or malignant labels."
    )
    return Step("Bring in images", bool(datasets), detail, "pages/data.py", "Data")


def _gan() -> Step:
    found = runs.list_runs("gan")
    states = [status.state for _, status in runs.scan_statuses(run for run in found if not shipped.is_shipped(run))[0]]
    trained, training = states.count("finished"), states.count("running")
    detail = f"{trained} trained, {training} in training." if states else "It learns to generate lesions like those in the train part."
    if came := len(found) - len(states):
        detail += f" {came} came with gan_aug."
    return Step("Train a GAN", trained > 0, detail, "pages/train.py", "Train")


def _review() -> Step:
    batches = store.batches()
    judged = [batch for batch in batches if batch.n_reviewers]
    detail = f"{len(judged)} of {len(batches)} batches have been looked at." if batches else "Accept or reject generated lesions."
    return Step("Review what it generates", bool(judged), detail, "pages/review.py", "Review")


def _compare() -> Step:
    studies = study.list_studies()
    detail = f"{len(studies)} planned or done." if studies else "Train classifiers with and without generated lesions, on one fair test."
    return Step("Compare classifiers", last_analysis() is not None, detail, "pages/compare.py", "Compare")


def last_analysis() -> Analysis | None:
    """What the newest analysed study says; None if there is none."""
    found = []
    for planned in study.list_studies():
        try:
            found.append(study.load_analysis(planned))
        except (NotFound, CorruptFile):
            continue
    return max(found, key=lambda analysis: analysis.created, default=None)
