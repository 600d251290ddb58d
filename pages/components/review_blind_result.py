"""What came out of a blind reading, once it is closed; before that, nothing but one's own progress."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gan_aug import readings, store
from gan_aug.readings import BlindResult, ReaderResult, brief, number, two
from gan_aug.stats import Interval
from gan_aug.store import ReviewBatch
from pages.components import chrome, palette
from pages.components.review_result import archive, csv

_SIGNS = {"better": "▲", "worse": "▼", "chance": "=", "near": "≈", "open": "?"}


def show_blind(batch: ReviewBatch, reviewer: str) -> None:
    """The result of a closed blind batch; of an open one, how far ``reviewer`` is."""
    if not batch.closed:
        done = len(store.reviews_of(batch.name, reviewer))
        chrome.section("Your progress")
        st.progress(done / batch.n_cases, text=f"{done} of {batch.n_cases} images answered")
        st.info("The result is shown once the batch is closed. Until then nothing is told of it to anybody.", icon=":material/lock:")
        return
    result = readings.blind_result(batch.name)
    if not result.readers:
        st.info("The batch was closed before anybody had answered, so there is no result.", icon=":material/info:")
        return
    _says(result)
    _curves(result)
    _table(result)
    _agreement(result)
    _take_away(batch.name)


def _says(result: BlindResult) -> None:
    repeats = f" {result.n_repeats} of them were shown twice." if result.n_repeats else ""
    chrome.section("Real or synthetic?", f"{result.n_real} real and {result.n_synthetic} synthetic pictures.{repeats}")
    for reader in result.readers:
        with st.container(border=True):
            st.markdown(f"**{chrome.plain(reader.reviewer)}: {_SIGNS[reader.verdict]} {readings.HEADLINES[reader.verdict]}**")
            st.markdown(chrome.plain(readings.in_words(result, reader)))
    if (words := readings.average_in_words(result)) is not None:
        with st.container(border=True):
            st.markdown(f"**All readers: {_SIGNS[result.average_verdict]} {readings.HEADLINES[result.average_verdict]}**")
            st.markdown(chrome.plain(words))
    if found := readings.cautions(result):
        st.warning("\n".join(f"- {chrome.plain(caution)}" for caution in found), icon=":material/warning:")


def _curves(result: BlindResult) -> None:
    drawn = [reader for reader in result.readers if reader.reading.curve is not None]
    if not drawn:
        return
    chrome.section(
        "ROC curve of each reader",
        "From surely synthetic to surely real, the share of synthetic pictures found against that of real ones taken for synthetic.",
    )
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": palette.GREY, "width": 1}, name="Chance", hoverinfo="skip")
    for place, reader in enumerate(drawn):
        curve = reader.reading.curve
        colour, dash, marker = palette.look(place)
        auc = f", AUC {reader.reading.auc.value:.2f}" if reader.reading.auc else ""
        figure.add_scatter(
            x=curve.fpr, y=curve.tpr, mode="lines+markers", name=f"{_text(reader.reviewer)}{auc}",
            line={"color": colour, "dash": dash, "width": 2}, marker={"symbol": marker, "size": 8},
        )  # fmt: skip
    figure.update_layout(
        height=460, margin={"l": 0, "r": 0, "t": 10, "b": 0}, hovermode="closest", legend={"x": 0.99, "y": 0.01, "xanchor": "right"},
        xaxis={"title": "Real pictures called synthetic", "range": [-0.02, 1.02]},
        yaxis={"title": "Synthetic pictures found", "range": [-0.02, 1.02]},
    )  # fmt: skip
    alt = "; ".join(f"{reader.reviewer}: AUC {number(reader.reading.auc)}" for reader in drawn)
    with st.container(width=480):
        st.plotly_chart(figure, key="reader-roc", config={"displayModeBar": False}, alt=f"ROC curves of the readers. {alt}")


def _text(name: str) -> str:
    """A name in which Plotly sees no markup."""
    return name.replace("&", "&amp;").replace("<", "&lt;")


def _table(result: BlindResult) -> None:
    chrome.section("Readers in numbers")
    st.dataframe(pd.DataFrame([_row(reader) for reader in result.readers]), hide_index=True)
    st.caption(
        "In brackets: 95 % intervals. Sensitivity is the share of synthetic pictures called synthetic, specificity the share of real "
        "pictures called real, both of those that were decided on, with exact (Clopper-Pearson) intervals, as has the accuracy. Fisher's "
        "p tests whether answer and truth are related. AUC counts all five answers, with DeLong's interval. Kappa is the agreement of "
        "first and second look beyond chance: 1 is complete, 0 is chance. Seconds are the median."
    )


def _row(reader: ReaderResult) -> dict[str, str]:
    reading = reader.reading
    return {
        "Reader": reader.reviewer,
        "Answered": str(reader.answered),
        "Cannot tell": str(reading.n_unsure),
        "Accuracy": brief(reading.accuracy),
        "Sensitivity": brief(reading.sensitivity),
        "Specificity": brief(reading.specificity),
        "Fisher's p": "" if reading.p is None else ("< 0.001" if reading.p < 0.001 else f"{reading.p:.3f}"),
        "AUC": _two(reading.auc) if reading.auc else "",
        "Same again": f"{reader.agreed} of {reader.n_repeats}" if reader.n_repeats else "",
        "Kappa with self": _two(reader.within) if reader.n_repeats else "",
        "Seconds a picture": f"{reader.seconds:.1f}",
    }


def _two(interval: Interval | None) -> str:
    """An interval of two decimals, for a table."""
    return "undefined" if interval is None else f"{two(interval.value)} ({two(interval.low)} to {two(interval.high)})"


def _agreement(result: BlindResult) -> None:
    if not result.pairs:
        return
    chrome.section("Agreement between readers", "Kappa of the answers real, cannot tell and synthetic, on the first look at each picture.")
    rows = [(found, "Cohen") for found in result.pairs] + ([(result.all_readers, "Fleiss")] if result.all_readers else [])
    table = [
        {
            "Readers": ", ".join(found.readers),
            "Pictures in common": found.n,
            "Kappa (95 % interval)": _two(found.kappa) if found.n else "",
            "Kind": kind,
        }
        for found, kind in rows
    ]
    st.dataframe(pd.DataFrame(table), hide_index=True)
    if any(found.n and found.kappa is None for found, _ in rows):
        st.caption("Undefined: all answers were the same, so that chance alone gives complete agreement.")


def _take_away(name: str) -> None:
    chrome.section("Take away", "Every answer with truth, time and place in the reader's order; iMRMC is what reader-study programs take.")
    files = (
        ("Table (CSV)", csv, ".csv", "text/csv"),
        ("iMRMC", lambda batch: readings.imrmc(batch).encode(), ".imrmc", "text/plain"),
        ("Table, iMRMC and images (ZIP)", archive, ".zip", "application/zip"),
    )
    with st.container(horizontal=True):
        for label, make, suffix, mime in files:
            st.download_button(label, lambda make=make: make(name), f"{name}{suffix}", mime, icon=":material/download:", on_click="ignore")


def closing(batch: ReviewBatch) -> None:
    """The button that ends the judging, with what it means."""
    if batch.closed:
        return
    with st.popover("Close the batch", icon=":material/lock:"):
        st.markdown("Closing ends the judging **for all readers**, who may still be at work. It cannot be undone.")
        if batch.mode == "blind":
            st.markdown("What is real and what is synthetic can be seen afterwards.")
        if st.button("Close for everybody", key="close", type="primary"):
            store.close_batch(batch.name)
            st.rerun()
