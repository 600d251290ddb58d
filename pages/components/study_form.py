"""The form that plans a study and has it run."""

from collections.abc import Iterable

import streamlit as st

from gan_aug import backbones, jobs, store, study
from gan_aug.data.dataset import list_datasets
from gan_aug.data.split import describe, usual_splits
from gan_aug.records import ClassifierConfig, Dataset, Run
from pages.components import chrome, generators

PLAIN = {
    "none": "none: real images as they are",
    "standard": "standard: flips, turns, crops, mild colour",
    "oversample": "oversample: rare classes drawn as often as common ones",
    "weighted": "weighted: rare classes count more in the loss",
}
SHARES = {1.0: "all", 1 / 2: "1/2", 1 / 4: "1/4", 1 / 8: "1/8", 1 / 16: "1/16"}  # of the training images
RATIOS = (0.25, 0.5, 1.0, 2.0)


def show() -> None:
    """Draw the form; plan and queue the study once it is sent."""
    datasets = {record.name: record for record in list_datasets()}
    if not datasets:
        chrome.no_dataset("A study needs a dataset, and there is none yet.")
        return
    chrome.section(
        "New study",
        "One classifier is trained per scheme and seed, all on the same split and for as many steps. The plan never changes afterwards.",
    )
    left, right = chrome.two_columns("study")
    with left:
        record = datasets[st.selectbox("Dataset", list(datasets), key="study_data")]
        split_id = choose_split(record)
        schemes, base = _choose_schemes(record)
        name = chrome.name_field("Name of the study", _free_name(record), about=record.name, key="study_name")
    with right:
        n_seeds = int(st.number_input("Seeds per scheme", 1, 20, 3, help="Five or more tell a gain from the luck of a start."))
        config = choose_config(record)
        with st.expander("Data"):
            fraction = st.selectbox("Share of the train part", list(SHARES), format_func=SHARES.get)
            external = choose_external(record, datasets)
    st.caption(f"{len(schemes)} schemes times {n_seeds} seeds: {len(schemes) * n_seeds} classifiers. They start from random numbers.")
    if not st.button("Plan and run", type="primary", icon=":material/play_arrow:", disabled=not schemes):
        return
    with st.spinner("Checking that nothing has seen the test part"):
        seeds = range(n_seeds)
        planned = study.plan(name, record.name, schemes, seeds, config, base=base, fraction=fraction, external=external, split_id=split_id)
    jobs.submit("study", {"name": planned.name})
    st.query_params.from_dict({"study": planned.name, "view": "results"})
    st.rerun()


def _free_name(record: Dataset) -> str:
    return chrome.free_name(f"{record.name}-study", [planned.name for planned in study.list_studies()])


def _choose_schemes(record: Dataset) -> tuple[list[str], str | None]:
    """The schemes, and the one that all others are compared with."""
    ratios = choose_ratios() if generators.available() else []
    words = PLAIN | _from_generators(record, ratios) | _from_curated_sets()
    schemes = st.multiselect(
        "Schemes",
        list(words),
        default=["none", "standard"],
        format_func=lambda name: words.get(name, name),
        key="study_schemes",
        accept_new_options=True,
        help="What the classifiers' training images are made of. Any scheme can also be typed, such as synthetic:RUN@0.5.",
    )
    return schemes, choose_base(schemes, key="study_base")


def choose_base(schemes: list[str], key: str) -> str | None:
    """The scheme that all others are compared with; what was chosen stays, as long as it is one of them."""
    if st.session_state.get(key) not in schemes:
        st.session_state[key] = "standard" if "standard" in schemes else next(iter(schemes), None)
    return st.selectbox("Compare all with", schemes, key=key)


def choose_split(record: Dataset) -> str | None:
    """The split that is used; asked for only where a dataset has several."""
    words = {split.id: describe(split) for split in usual_splits(record.name)}
    if len(words) < 2:
        return None
    return st.selectbox("Split", list(words), format_func=words.get, key=f"study_split-{record.name}")


def choose_config(record: Dataset) -> ClassifierConfig:
    """Length of the training, image size and network."""
    steps = int(st.number_input("Training steps", 10, 1_000_000, 1000, step=100, help="The same for every scheme."))
    sizes = [size for size in (64, 128, 224, 256) if size <= record.size] or [record.size]
    size = st.selectbox("Image size [px]", sizes)
    with st.expander("Network"):
        backbone = st.selectbox("Backbone", list(backbones.BLOCKS))
        batch_size = int(st.number_input("Images per step", 2, 512, 32))
    often = max(1, min(100, steps // 4))
    return ClassifierConfig(backbone=backbone, resolution=size, batch_size=batch_size, steps=steps, evaluate_every=often)


def choose_external(record: Dataset, names: Iterable[str]) -> str | None:
    """Another dataset, on which the classifiers are tested too."""
    others = [None, *(other for other in names if other != record.name)]
    return st.selectbox("External test set", others, format_func=lambda other: other or "none", key=f"external-{record.name}")


def choose_ratios() -> list[float]:
    """How many synthetic images per real one the schemes to choose from add."""
    return st.pills(
        "Synthetic images per real one",
        RATIOS,
        selection_mode="multi",
        default=[1.0],
        format_func=lambda ratio: f"{ratio:g}",
        key="ratios",
        help="Of the generator's class. With several, the results hold a curve over the ratio.",
    )


def _from_generators(record: Dataset, ratios: list[float]) -> dict[str, str]:
    """The schemes with images of the generators that fit the dataset's classes."""
    found: dict[str, Run] = {name: run for name, run in generators.available().items() if set(run.classes) <= set(record.classes)}
    words = {}
    for run_id, run in found.items():
        generated = f"{generators.short(run)}, {run.class_name or ' and '.join(run.classes)}"
        for ratio in sorted(ratios):
            words[f"standard+synthetic:{run_id}@{ratio}"] = f"standard + synthetic, {amount(ratio)} ({generated})"
            words[f"synthetic:{run_id}@{ratio}"] = f"synthetic, {amount(ratio)} ({generated})"
        words[f"standard+balance:{run_id}"] = f"standard + synthetic until the classes are even ({generated})"
    return words


def amount(ratio: float) -> str:
    """A ratio in words."""
    return "as many as real" if ratio == 1 else f"{ratio:g} times as many as real"


def _from_curated_sets() -> dict[str, str]:
    newest = {record.name: record for record in reversed(store.curated_list())}
    return {f"standard+curated:{name}": f"standard + curated set {name} ({record.n_images} images)" for name, record in newest.items()}
