"""Review: accept and reject synthetic images by single keys, and keep the accepted ones as a set that a study can use."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from gan_aug import store
from gan_aug.records import Job
from gan_aug.store import ReviewBatch
from pages.components import address, chrome, job_cards, review_grid, review_result
from pages.components.review_batch import new_batch
from pages.components.review_desk import SHOWS, Desk

GRID = "review_grid"


def page() -> None:
    chrome.header("Review", "Accept or reject synthetic images, one key each. Every decision is stored at once and can be undone.")
    job_cards.panel("review_batch", recent=1, only=_is_news)
    batches = {batch.name: batch for batch in store.batches() if batch.mode == "curate"}
    if not batches:
        st.info("There is no review batch yet: some pictures of one generator, to be judged one by one.", icon=":material/info:")
        with st.container(width=720):
            new_batch()
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        batch = _pick_batch(batches)
        reviewer = st.text_input(
            "Your name", key="reviewer", bind="query-params", max_chars=100, placeholder="Name or initials", width=220,
            help="A label for your decisions, kept in the address of this page. It is no log-in: anybody could write it.",
        ).strip()  # fmt: skip
        view = address.pick(
            st.segmented_control, "View", ["judge", "result"], key="view", format_func={"judge": "Judge", "result": "Result"}.get
        )
        with st.popover("New batch", icon=":material/add:"):
            new_batch()
    if not reviewer or not reviewer.isprintable():
        st.info("Write your name above to begin. Your decisions are kept under it.", icon=":material/person:")
    elif view == "result":
        review_result.show(batch, reviewer)
    elif batch.closed:
        st.info("This batch is closed: no decision is taken any more. See its result.", icon=":material/lock:")
    else:
        _open(batch.name, reviewer)


def _is_news(job: Job) -> bool:
    """Whether a job still runs, or ended so lately that whoever asked for it may not know."""
    return job.finished is None or datetime.now(UTC) - datetime.fromisoformat(job.finished) < timedelta(minutes=10)


def _pick_batch(batches: dict[str, ReviewBatch]) -> ReviewBatch:
    def label(name: str) -> str:
        return f"{name} ({batches[name].n_cases} images)"

    return batches[address.pick(st.selectbox, "Batch", list(batches), key="batch", what="review batch", format_func=label)]


def _open(batch: str, reviewer: str) -> None:
    """Run with the whole page, after which the browser may have nothing of the grid any more."""
    if "review_desk" in st.session_state:
        st.session_state["review_desk"].open()
    _judge(batch, reviewer)


@st.fragment
@chrome.guard()
def _judge(batch: str, reviewer: str) -> None:
    show = address.pick(st.segmented_control, "Show", list(SHOWS), key="show", format_func=SHOWS.get, label_visibility="collapsed")
    desk = st.session_state.get("review_desk")
    if desk is None or (desk.batch, desk.reviewer, desk.show) != (batch, reviewer, show):
        desk = st.session_state["review_desk"] = Desk(batch, reviewer, show)
    review_grid.show(desk.grid(), GRID, _take)


def _take() -> None:
    message = st.session_state[GRID].message
    if message:
        st.session_state["review_desk"].take(message)


with chrome.guard():
    page()
