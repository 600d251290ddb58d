"""What came out of a review: tallies, reasons, readers side by side, the table to take away, and the curated set."""

import collections
import io
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gan_aug import readings, reviews, stats, store
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
    left_over = reviews.undecided(store.cases(batch.name), {review.image for review in mine})
    told = left_over == 0 or batch.closed is not None or len(mine) == len(found)
    _tally(mine, left_over)
    _reasons(mine)
    _readers(found, mine, reviewer, told)
    left, right = st.columns(2, gap="large")
    with left:
        _take_away(batch.name, len(found), told)
    with right:
        _curate(batch)


def _tally(mine: list[Review], left_over: int) -> None:
    count = collections.Counter(review.decision for review in mine)
    chrome.section("Your decisions")
    with st.container(horizontal=True):
        for decision, word in (("accept", "✓ Accepted"), ("reject", "✕ Rejected"), ("unsure", "? Unsure")):
            st.metric(word, count[decision], border=True)
        st.metric("Undecided", left_over, border=True, help="Near-duplicates count as one.")
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


def _readers(found: list[Review], mine: list[Review], reviewer: str, told: bool) -> None:
    others = sorted({review.reviewer for review in found} - {reviewer})
    if not others:
        return
    chrome.section("Other readers")
    if not told:
        number = "Another reader has" if len(others) == 1 else f"{len(others)} other readers have"
        st.markdown(f"{number} judged this batch. What was said is shown once you have decided on every image.")
        return
    st.dataframe(pd.DataFrame([_reader(name, found, mine) for name in others]), hide_index=True)
    st.caption(
        "Kappa is the agreement with you beyond chance, with its 95 % interval: 1 is complete, 0 is what chance alone would give."
        + _all_together(found)
    )


def _all_together(found: list[Review]) -> str:
    """Fleiss' kappa of three readers or more, on the images that all have decided on, as a sentence."""
    said: dict[str, dict[str, str]] = {}
    for review in found:
        said.setdefault(review.reviewer, {})[review.image] = review.decision
    common = sorted(set.intersection(*(set(answers) for answers in said.values())))
    if len(said) < 3 or not common:
        return ""
    kappa = stats.fleiss_kappa([[answers[image] for image in common] for answers in said.values()])
    return f" Of all {len(said)} readers together, on the {len(common)} images that all decided on, it is {readings.number(kappa)}."


def _reader(name: str, found: list[Review], mine: list[Review]) -> dict:
    theirs = {review.image: review.decision for review in found if review.reviewer == name}
    count = collections.Counter(theirs.values())
    pairs = [(review.decision, theirs[review.image]) for review in mine if review.image in theirs]
    kappa = stats.kappa_of_two(*zip(*pairs, strict=True)) if pairs else None
    return {
        "Reader": name,
        "Decided": len(theirs),
        "Accepted": count["accept"],
        "Rejected": count["reject"],
        "Unsure": count["unsure"],
        "Agreement with you": f"{sum(a == b for a, b in pairs) / len(pairs):.0%}" if pairs else "",
        "Kappa": readings.number(kappa) if pairs else "",  # undefined where both gave one and the same answer throughout
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


def _take_away(name: str, n_decisions: int, told: bool) -> None:
    waits = "" if told else " The table shows what others said, so it waits until you have decided on every image."
    chrome.section("Take away", f"All {n_decisions} decisions of all readers, with the checkpoint and seed of every image.{waits}")
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
                disabled=not (n_decisions and told),
            )


def _curate(batch: ReviewBatch) -> None:
    chrome.section("Keep the accepted images")
    saved = store.curated_list(batch.name)
    for record in saved:
        name = chrome.plain(record.name)
        scheme = f"`curated:{record.name}@{record.version}`"
        st.markdown(f"**{name}** version {record.version}: {record.n_images} images. In a study: {scheme}")
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
