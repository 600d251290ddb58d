"""The images of a dataset, page by page, with filters."""

import numpy as np
import pandas as pd
import streamlit as st

from gan_aug import images
from gan_aug.data.dataset import ImageSet
from gan_aug.records import Split
from pages.components import address, chrome

PER_PAGE = 48
SHOWN = 128  # side on the screen [px]; smaller images are enlarged by a whole factor
ALL = "all"


def thumbnails(image_set: ImageSet, split: Split | None) -> None:
    """Filters, a page of pictures, and what is known about each."""
    table = image_set.table.assign(part=split.parts if split else "")
    rows = _filtered(table, image_set, split)
    if not len(rows):
        st.info("No image has all of these properties.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(rows) // PER_PAGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"{len(rows):,} images. {_sizes(image_set.record.size)}", width="content")
        number = _page_number(pages, image_set.record.name)
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    known = table.iloc[shown]
    st.image(
        [images.png_bytes(picture) for picture in at_most(image_set.images[shown], SHOWN)],
        caption=[chrome.plain(label) for label in known["label"]],
        alt=[f"Image {name}, labelled {label}" for name, label in zip(known["image_id"], known["label"], strict=True)],
        width=SHOWN,
        output_format="PNG",  # the default makes JPEG files of them
    )
    with st.expander("What is known about these images", icon=":material/table_rows:"):
        st.dataframe(known[["image_id", "label", "diagnosis", "patient_id", "lesion_id", "source", "part", "licence"]], hide_index=True)


def _page_number(pages: int, name: str) -> int:
    """The page that is shown, from 1; the address holds it."""
    key = f"page-of-{pages}-{name}"
    wanted = address.whole_number(st.query_params.get("page", ""))
    if key not in st.session_state and wanted is not None and 1 <= wanted <= pages:
        st.session_state[key] = wanted
    number = st.pagination(pages, key=key) if pages > 1 else 1
    address.hold(page=[] if number == 1 else str(number))
    return number


def _filtered(table: pd.DataFrame, image_set: ImageSet, split: Split | None) -> np.ndarray:
    """Rows that pass the filters, ascending."""
    keep = np.ones(len(table), bool)
    record = image_set.record
    diagnoses = [name for name in table["diagnosis"].value_counts().index if name]
    choices = {
        "Class": ("label", record.classes),
        "Diagnosis": ("diagnosis", diagnoses if len(diagnoses) > 1 else ()),
        "Source": ("source", record.sources if len(record.sources) > 1 else ()),
        "Part": ("part", ("train", "val", "test") if split else ()),
    }
    choices = {label: (column, options) for label, (column, options) in choices.items() if options}
    for place, (label, (column, options)) in zip(st.columns(len(choices)), choices.items(), strict=True):
        chosen = address.pick(place.selectbox, label, [ALL, *options], key=column)
        if chosen != ALL:
            keep &= (table[column] == chosen).to_numpy()
    return np.flatnonzero(keep)


def at_most(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures (N, S, S, 3) made smaller where they are larger than ``side`` [px]; smaller ones stay as they are."""
    return pictures if pictures.shape[1] <= side else images.resize(pictures, side)


def _sizes(size: int) -> str:
    if size == SHOWN:
        return f"Shown as stored, {size} px."
    if size > SHOWN:
        return f"Stored at {size} px, shown at {SHOWN} px."
    return f"Stored at {size} px, shown {SHOWN / size:g} times enlarged: there is no more detail."


def pairs(image_set: ImageSet, found: list[tuple[str, str, str]]) -> None:
    """Pairs of images side by side, each with a few words; ``found`` holds two image ids and the words."""
    row_of = {name: row for row, name in enumerate(image_set.table["image_id"])}
    both = [at_most(image_set.images[[row_of[a], row_of[b]]], SHOWN) for a, b, _ in found]
    st.image(
        [images.png_bytes(np.concatenate(list(pair), axis=1)) for pair in both],
        caption=[chrome.plain(words) for _, _, words in found],
        alt=[f"Images {a} and {b}, side by side" for a, b, _ in found],
        width=2 * SHOWN,
        output_format="PNG",
    )
