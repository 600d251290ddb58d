"""Data: the datasets, what is in them, and bringing in new ones."""

import streamlit as st

from gan_aug import jobs
from gan_aug.data.dataset import open_dataset, scan_datasets
from gan_aug.data.split import describe, list_splits
from gan_aug.records import Dataset, Split
from pages.components import address, chrome, job_cards, left_out
from pages.components.balance import balance
from pages.components.import_form import import_form, import_report
from pages.components.split_panel import split_panel
from pages.components.thumbnails import thumbnails

VIEWS = {"images": "Images", "balance": "Balance", "split": "Split and leaks", "report": "Import report", "import": "Import more"}


def page() -> None:
    chrome.header("Data", "The images that everything here learns from, and how they are divided.")
    job_cards.panel("demo", "import", "split", recent=1)
    datasets, damaged = scan_datasets()
    left_out.warn(damaged.values())
    if datasets:
        _dataset(datasets)
    else:
        st.info("There is no dataset yet.", icon=":material/info:")
        _import(demo=True)


def _dataset(datasets: list[Dataset]) -> None:
    records = {record.name: record for record in datasets}
    view = address.pick(st.segmented_control, "View", list(VIEWS), key="view", format_func=VIEWS.get, label_visibility="collapsed")
    if view == "import":
        _import(demo="phantom" not in records)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = address.pick(st.selectbox, "Dataset", list(records), key="dataset", what="dataset", width=220)
        _caption(records[name])
    image_set, splits = open_dataset(name), list_splits(name)
    if view == "images":
        thumbnails(image_set, _split(splits))
    elif view == "balance":
        balance(image_set, _split(splits))
    elif view == "split":
        split_panel(image_set, splits)
    else:
        import_report(image_set)


def _caption(record: Dataset) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if record.phantom:
            st.badge("Phantom: drawn by rule, not medical", icon=":material/draw:", color="orange")
        words = f"{record.n_images:,} images of {record.size} px, {' and '.join(record.classes)}"
        st.caption(chrome.plain(f"{words}, from {', '.join(record.sources)}."))


def _split(splits: list[Split]) -> Split | None:
    """The split whose parts are shown: the only one, or the user's choice."""
    if len(splits) < 2:
        return splits[0] if splits else None
    found = {split.id: split for split in splits}
    return found[
        address.pick(st.selectbox, "Parts as in split", list(found), key="split", format_func=lambda id: describe(found[id]), width=420)
    ]


def _import(demo: bool) -> None:
    with st.container(border=True):
        chrome.section("Import images", "They are read once, cut to the centre square, made smaller and stored without their metadata.")
        import_form()
    if demo:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown("**Or look around with the phantom demo**  \nLesions drawn by rule, no patients, nothing medical.")
            if st.button("Load the phantom demo", icon=":material/auto_awesome:", disabled=job_cards.is_open("demo")):
                jobs.submit("demo", {})
                st.rerun()


with chrome.guard():
    page()
