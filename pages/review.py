"""Review: accept and reject synthetic images by single keys, or tell blindly what is real; then what came out of it."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from gan_aug import store
from gan_aug.records import Job
from gan_aug.store import ReviewBatch
from pages.components import address, chrome, job_cards, review_grid, review_reader, review_result
from pages.components.review_batch import new_batch
from pages.components.review_blind_result import closing, show_blind
from pages.components.review_desk import BlindDesk, Desk
from pages.components.review_reader import Reader
from pages.components.review_select import select

GRID, BLIND = "review_grid", "review_blind"
DESK = "review_desk"  # key of the session's desk


def page() -> None:
    chrome.header("Review", "Judge images with one key each, or read them blind. Every decision is stored at once and can be undone.")
    job_cards.panel("review_batch", recent=1, only=_is_news)
    batches = {batch.name: batch for batch in store.batches()}
    if not batches:
        st.info("There is no review batch yet: some pictures of one generator, to be judged one by one.", icon=":material/info:")
        with st.container(width=720):
            new_batch()
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        batch = _pick_batch(batches)
        reader = review_reader.identify()
        views = {"judge": "Judge", "result": "Result"}
        view = address.pick(st.segmented_control, "View", list(views), key="view", format_func=views.get, label_visibility="collapsed")
        with st.popover("New batch", icon=":material/add:"), chrome.guard():
            new_batch()
    if reader is None:
        st.info("Say above who you are to begin. Your decisions are kept under that name.", icon=":material/person:")
    elif view == "result":
        (show_blind if batch.mode == "blind" else review_result.show)(batch, reader.name)
        closing(batch)
    elif batch.closed:
        st.info("This batch is closed: no decision is taken any more. See its result.", icon=":material/lock:")
    elif batch.mode == "blind":
        _explain(batch)
        _open(batch.name, reader, _read_blind)
    else:
        _open(batch.name, reader, _judge)


def _is_news(job: Job) -> bool:
    """Whether a job still runs, or ended so lately that whoever asked for it may not know."""
    return job.finished is None or datetime.now(UTC) - datetime.fromisoformat(job.finished) < timedelta(minutes=10)


def _pick_batch(batches: dict[str, ReviewBatch]) -> ReviewBatch:
    def label(name: str) -> str:
        batch = batches[name]
        return f"{name} ({batch.n_cases} images{', blind' if batch.mode == 'blind' else ''}{', closed' if batch.closed else ''})"

    return batches[address.pick(st.selectbox, "Batch", list(batches), key="batch", what="review batch", format_func=label)]


def _explain(batch: ReviewBatch) -> None:
    photographs = "phantom images, drawn by rule," if batch.settings.get("phantom") else "photographs of lesions"
    st.markdown(
        f"Some of these pictures are {photographs} and some are synthetic. Say of each how sure you are. "
        "Nothing tells whether you are right before the batch is closed; you can stop at any time and go on later."
    )


def _open(batch: str, reader: Reader, work) -> None:
    """Run with the whole page, after which the browser may have nothing of the grid any more."""
    if DESK in st.session_state:
        st.session_state[DESK].open()
    work(batch, reader)


@st.fragment
@chrome.guard()
def _judge(batch: str, reader: Reader) -> None:
    desk = select(st.session_state.get(DESK), batch, reader)
    st.session_state[DESK] = desk
    review_grid.show(desk.grid(), GRID, lambda: _take(GRID))
    if st.query_params.get("page", "1") != (number := str(desk.page + 1)):
        st.query_params["page"] = number


@st.fragment
@chrome.guard()
def _read_blind(batch: str, reader: Reader) -> None:
    desk: Desk | None = st.session_state.get(DESK)
    if not isinstance(desk, BlindDesk) or (desk.batch, desk.reviewer, desk.exclusive) != (batch, reader.name, reader.logged_in):
        desk = st.session_state[DESK] = BlindDesk(batch, reader.name, reader.logged_in)
    review_grid.show(desk.grid(), BLIND, lambda: _take(BLIND), blind=True)


def _take(key: str) -> None:
    message = st.session_state[key].message
    if message:
        st.session_state[DESK].take(message)


with chrome.guard():
    page()
