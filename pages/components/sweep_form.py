"""The form that plans a sweep and has it run."""

from typing import Any

import streamlit as st

from gan_aug import catalog, jobs, study
from gan_aug.data.dataset import list_datasets, open_dataset
from gan_aug.records import Dataset
from pages.components import chrome, study_form

KINDS = {"fraction": "Fewer training images", "fold": "Folds", "source": "Sources held out"}
_USUAL = ("standard", "standard+synthetic:train(dcgan)@1.0")


def show() -> None:
    """Draw the form; plan and queue the sweep once it is sent."""
    datasets = {record.name: record for record in list_datasets()}
    if not datasets:
        chrome.no_dataset("A sweep needs a dataset, and there is none yet.")
        return
    chrome.section(
        "New sweep",
        "The same study on several splits. A generator is trained anew for each, on the training images of that split alone, so that "
        "nothing leaks from one to the other.",
    )
    left, right = chrome.two_columns("sweep")
    with left:
        record = datasets[st.selectbox("Dataset", list(datasets), key="sweep_data")]
        splits, n_splits = _choose_splits(record)
        schemes, base = _choose_schemes()
        name = chrome.name_field("Name of the sweep", _free_name(record), about=record.name, key="sweep_name", max_chars=80)
    with right:
        n_seeds = int(st.number_input("Seeds per scheme", 1, 20, 3, help="Five or more tell a gain from the luck of a start."))
        config = study_form.choose_config(record)
        preset, settings = _choose_training(any("train(" in scheme for scheme in schemes))
        external = study_form.choose_external(record, datasets)
    st.caption(_size(n_splits, schemes, n_seeds))
    if not st.button("Plan and run", type="primary", icon=":material/play_arrow:", disabled=len(schemes) < 2 or n_splits < 1):
        return
    with st.spinner("Making the splits, and checking them"):
        planned = study.plan_sweep(
            name, record.name, schemes, range(n_seeds), config,
            base=base, preset=preset, gan_settings=settings, external=external, **splits,
        )  # fmt: skip
    jobs.submit("sweep", {"name": planned.name})
    st.query_params.from_dict({"sweep": planned.name, "view": "sweeps"})
    st.rerun()


def _choose_splits(record: Dataset) -> tuple[dict[str, Any], int]:
    """What :func:`gan_aug.study.plan_sweep` is told of the splits, and how many there will be."""
    kinds = [kind for kind in KINDS if kind != "source" or len(record.sources) > 1]
    kind = st.segmented_control("Splits", kinds, default=kinds[0], format_func=KINDS.get, required=True, key=f"sweep_kind-{record.name}")
    if kind == "fold":
        folds = int(st.number_input("Folds", 2, 20, 5, help="Every patient is in the test part of exactly one."))
        return {"folds": folds}, folds
    if kind == "source":
        sources = sorted(set(open_dataset(record.name).table["source"]))
        st.caption(f"Held out in turn: {chrome.plain(', '.join(sources))}.")
        return {"sources": True}, len(sources)
    split_id = study_form.choose_split(record)
    shares = st.pills(
        "Shares of the training images", sorted(study_form.SHARES), selection_mode="multi", default=[1 / 4, 1 / 2, 1.0],
        format_func=study_form.SHARES.get,
        help="val and test stay the same, and smaller shares lie inside larger ones.",
    )  # fmt: skip
    return {"fractions": tuple(sorted(shares)), "split_id": split_id}, len(shares)


def _choose_schemes() -> tuple[list[str], str | None]:
    """The schemes, and the one that all others are compared with."""
    words = study_form.PLAIN | _recipes(study_form.choose_ratios())
    schemes = st.multiselect(
        "Schemes",
        list(words),
        default=[name for name in _USUAL if name in words],
        format_func=lambda name: words.get(name, name),
        key="sweep_schemes",
        accept_new_options=True,
        help="Any scheme can also be typed, with train(GAN) or train(GAN:CLASS) where a run would stand.",
    )
    return schemes, study_form.choose_base(schemes, key="sweep_base")


def _recipes(ratios: list[float]) -> dict[str, str]:
    """Schemes whose generator every split trains for itself."""
    words = {}
    for name, entry in catalog.ENTRIES.items():
        for ratio in sorted(ratios):
            words[f"standard+synthetic:train({name})@{ratio}"] = f"standard + {entry.title}, {study_form.amount(ratio)}"
        words[f"standard+balance:train({name})"] = f"standard + {entry.title} until the classes are even"
    return words


def _choose_training(needed: bool) -> tuple[str, dict[str, Any]]:
    """Preset and length of the generators; asked for only where one is trained."""
    if not needed:
        return "small-data", {}
    with st.expander("Generators", expanded=True):
        preset = st.selectbox("Preset", ["small-data", "paper"], help=catalog.PRESET_SUMMARIES["small-data"], key="sweep_preset")
        length = st.number_input("Length [thousand images]", 0.1, 1e6, 100.0, format="%g", help="Of each, in real images shown.")
    return preset, {"total_kimg": float(length)}


def _size(n_splits: int, schemes: list[str], n_seeds: int) -> str:
    """What will be trained, in numbers."""
    recipes = {part for scheme in schemes for part in scheme.split("+") if "train(" in part}
    gans = {part.partition("train(")[2].partition(")")[0] for part in recipes}
    each = f"{len(gans)} generator{'' if len(gans) == 1 else 's'} and {len(schemes) * n_seeds} classifiers"
    return f"{n_splits} splits, each with {each}: {n_splits * (len(gans) + len(schemes) * n_seeds)} trainings, one after the other."


def _free_name(record: Dataset) -> str:
    return chrome.free_name(f"{record.name}-sweep", _taken())


def _taken() -> list[str]:
    found, damaged = study.scan_sweeps()
    return [*(planned.name for planned in found), *damaged]
