"""The splits of a dataset: what is in them, whether anything leaks, and the form that makes another."""

import pandas as pd
import streamlit as st

from gan_aug import jobs
from gan_aug.data import leaks
from gan_aug.data.dataset import ImageSet
from gan_aug.data.leaks import DuplicatePair, LeakReport
from gan_aug.data.split import describe
from gan_aug.data.taken_over import shipped_splits
from gan_aug.records import Split
from pages.components import chrome, thumbnails

MOST_PAIRS = 12


def split_panel(image_set: ImageSet, splits: list[Split]) -> None:
    """Sizes, leak check and builder."""
    if splits:
        report = _checked(image_set.record.name, image_set.record.fingerprint, tuple(split.id for split in splits))
        _sizes(splits, report)
        _leaks(image_set, report)
    else:
        st.info(
            "This dataset is not split yet. Images of one patient or lesion, and near-duplicates, will stay together.",
            icon=":material/info:",
        )
    _builder(image_set.record.name)


@st.cache_data(max_entries=4, show_spinner="Looking for leaks ...")
def _checked(name: str, fingerprint: str, split_ids: tuple[str, ...]) -> LeakReport:
    """The leak check; it is made again when the dataset or its splits are others."""
    return leaks.check(name)


def _sizes(splits: list[Split], report: LeakReport) -> None:
    for split in splits:
        st.markdown(f"**Split {chrome.plain(describe(split))}**")
        sizes = pd.DataFrame(report.sizes[split.id]).T.fillna(0).astype(int)
        st.dataframe(sizes.assign(all=sizes.sum(axis=1)), width="content")


def _leaks(image_set: ImageSet, report: LeakReport) -> None:
    st.markdown("**Leak check**")
    if report.violations:
        st.error(
            "  \n".join(["**Images that belong together are in different parts.**", *map(chrome.plain, report.violations[:10])]),
            icon=":material/error:",
        )
    else:
        st.success("No patient, lesion or duplicate is in two parts.", icon=":material/verified_user:")
    st.caption(
        f"{report.n_groups:,} groups that are never separated; the largest has {report.largest_group:,} images. "
        f"Patient known for {report.n_with_patient:,} of {report.n_images:,} images, lesion for {report.n_with_lesion:,}."
    )
    hidden = [pair for pair in report.pairs if not pair.related]
    if not hidden:
        return
    st.markdown(f"**Pairs that look alike, though the table names no common patient or lesion: {len(hidden):,}**")
    st.caption("They were found by comparing pixels, in all flips and turns. To be safe, both images of a pair are kept in one part.")
    thumbnails.pairs(image_set, [(pair.image_a, pair.image_b, _words(pair)) for pair in hidden[:MOST_PAIRS]])
    if len(hidden) > MOST_PAIRS:
        st.caption(f"The first {MOST_PAIRS} are shown.")


def _words(pair: DuplicatePair) -> str:
    likeness = f"{pair.kind}, {pair.similarity:.2f} alike" if pair.kind == "near-duplicate" else pair.kind
    return f"{likeness}; their labels differ" if pair.labels_differ else likeness


def _builder(name: str) -> None:
    with st.expander("Make another split", icon=":material/call_split:"), st.form(f"split-{name}", border=False):
        columns = st.columns(4)
        seed = columns[0].number_input("Seed", 0, 2**31 - 1, 0)
        val = columns[1].number_input("Share for val", 0.0, 0.9, 0.15, 0.05, help="Used while building: to choose weights and thresholds.")
        test = columns[2].number_input("Share for test", 0.0, 0.9, 0.15, 0.05, help="Read once per study, at its end.")
        fraction = columns[3].number_input("Part of train", 0.01, 1.0, 1.0, 0.05, help="Below 1 for studies with little data.")
        if st.form_submit_button("Make the split", icon=":material/call_split:"):
            jobs.submit("split", {"name": name, "seed": int(seed), "val": val, "test": test, "fraction": fraction})
            st.rerun()
    _taker(name)


def _taker(name: str) -> None:
    """The form that takes over the split in which models were trained that came from elsewhere."""
    found = shipped_splits()
    if not found:
        return
    with st.expander("Take over the split of a model", icon=":material/content_copy:"), st.form(f"like-{name}", border=False):
        st.caption(
            "A model from elsewhere that was trained on this collection has seen some of these images. Here each image gets the part that "
            "it had there, so that the model can be measured on those that it has not seen. Images that its split lacks are left out."
        )
        chosen = st.selectbox("Split of", list(found), format_func=lambda split: ", ".join(found[split]))
        if st.form_submit_button("Take it over", icon=":material/content_copy:"):
            jobs.submit("split", {"name": name, "like": found[chosen][0]})
            st.rerun()
