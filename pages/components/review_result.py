"""What came out of a review: tallies, reasons, readers side by side, the table to take away, and the curated set."""

import collections
import io
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gan_aug import reviews, stats, store
from gan_aug.errors import InvalidValue
from gan_aug.records import Review
from gan_aug.store import ReviewBatch
from pages.components import chrome, palette
from pages.components.review_events import REASONS

_RULES = {
    "unanimous": "somebody accepted it and nobody rejected it",
    "majority": "more readers accepted it than rejected it",
    "any": "at least one reader accepted it",
}


def show(batch: ReviewBatch, reviewer: str) -> None:
    """The result of ``batch`` as ``reviewer`` may see it: what others said stays hidden until the own review is complete."""
    found = store.reviews_of(batch.name)
    mine = [review for review in found if review.reviewer == reviewer]
    _tally(mine, batch.n_cases)
    _reasons(mine)
    _readers(found, mine, batch.n_cases)
    left, right = st.columns(2, gap="large")
    with left:
        _take_away(batch.name, len(found))
    with right:
        _curate(batch)


def _tally(mine: list[Review], n_cases: int) -> None:
    count = collections.Counter(review.decision for review in mine)
    chrome.section("Your decisions")
    with st.container(horizontal=True):
        for decision, word in (("accept", "✓ Accepted"), ("reject", "✕ Rejected"), ("unsure", "? Unsure")):
            st.metric(word, count[decision], border=True)
        st.metric("Undecided", n_cases - len(mine), border=True)
        seconds = pd.Series([review.seconds for review in mine]).median() if mine else None
        st.metric("Seconds per image (median)", "none" if seconds is None else f"{seconds:.1f}", border=True)


def _reasons(mine: list[Review]) -> None:
    count = collections.Counter(review.reason for review in mine if review.decision == "reject")
    if not count:
        return
    names = [label for _, label, _ in REASONS] + ["No reason given"]
    values = [count[code] for code, _, _ in REASONS] + [count[None]]
    figure = go.Figure(
        go.Bar(x=values, y=names, orientation="h", text=values, textposition="outside", marker_color=palette.VERMILION, cliponaxis=False)
    )
    figure.update_layout(height=260, margin={"l": 0, "r": 40, "t": 0, "b": 0}, xaxis={"visible": False}, yaxis={"autorange": "reversed"})
    chrome.section("Why images were rejected")
    st.plotly_chart(figure, key="reasons", config={"displayModeBar": False}, alt="Number of rejected images per reason")


def _readers(found: list[Review], mine: list[Review], n_cases: int) -> None:
    others = sorted({review.reviewer for review in found} - {review.reviewer for review in mine})
    if not others:
        return
    chrome.section("Other readers")
    if len(mine) < n_cases:
        number = "Another reader has" if len(others) == 1 else f"{len(others)} other readers have"
        st.markdown(f"{number} judged this batch. What was said is shown once you have decided on every image.")
        return
    st.dataframe(pd.DataFrame([_reader(name, found, mine) for name in others]), hide_index=True)
    st.caption("Kappa is the agreement with you beyond chance: 1 is complete, 0 is what chance alone would give.")


def _reader(name: str, found: list[Review], mine: list[Review]) -> dict:
    theirs = {review.image: review.decision for review in found if review.reviewer == name}
    count = collections.Counter(theirs.values())
    pairs = [(review.decision, theirs[review.image]) for review in mine if review.image in theirs]
    try:
        kappa = stats.cohen_kappa(*zip(*pairs, strict=True)) if pairs else None
    except InvalidValue:  # both gave one and the same answer throughout, and kappa is 0 / 0
        kappa = None
    return {
        "Reader": name,
        "Decided": len(theirs),
        "Accepted": count["accept"],
        "Rejected": count["reject"],
        "Unsure": count["unsure"],
        "Agreement with you": f"{sum(a == b for a, b in pairs) / len(pairs):.0%}" if pairs else "",
        "Kappa": "undefined" if kappa is None else f"{kappa:.2f}",
    }


def csv(name: str) -> bytes:
    """The table of all readers' decisions, safe to open in a spreadsheet."""
    return reviews.as_csv(reviews.decisions(name)).encode()


def archive(name: str) -> bytes:
    """The table and the pictures as one file."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        reviews.export(name, Path(folder))
        for path in sorted(Path(folder).rglob("*.*")):
            target.write(path, path.relative_to(folder))
    return packed.getvalue()


def _take_away(name: str, n_decisions: int) -> None:
    chrome.section("Take away", f"All {n_decisions} decisions of all readers, with the checkpoint and seed of every image.")
    files = (("Table (CSV)", csv, ".csv", "text/csv"), ("Table and images (ZIP)", archive, ".zip", "application/zip"))
    with st.container(horizontal=True):
        for label, make, suffix, mime in files:
            st.download_button(
                label,
                lambda make=make: make(name),
                f"{name}{suffix}",
                mime,
                icon=":material/download:",
                on_click="ignore",
                disabled=not n_decisions,
            )


def _curate(batch: ReviewBatch) -> None:
    chrome.section("Keep the accepted images")
    saved = [record for record in store.curated_sets() if record.batch == batch.name]
    for record in saved:
        name = chrome.plain(record.name)
        st.markdown(f"**{name}** version {record.version}: {len(record.images)} images. In a study: `curated:{record.name}`")
    with st.form("curate", border=True):
        name = st.text_input(
            "Name of the set", value=saved[0].name if saved else batch.name, help="A name that is used again gets a new version."
        )
        rule = st.selectbox("An image is kept if", list(_RULES), format_func=_RULES.get)
        if st.form_submit_button("Save the set", icon=":material/bookmark_add:"):
            record = store.save_curated_set(name.strip(), batch.name, rule)
            st.session_state["curated"] = f"Saved {len(record.images)} images as {record.name}, version {record.version}."
            st.rerun()
    if note := st.session_state.pop("curated", None):
        st.success(chrome.plain(note), icon=":material/check_circle:")
        st.page_link("pages/compare.py", label="Use it in a study", icon=":material/arrow_forward:")
