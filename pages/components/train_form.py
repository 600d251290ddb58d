"""The form of a new training: what to train, on what, how long; and what is known about it before it starts."""

import dataclasses
import math
import statistics
import typing
from typing import Any

import pandas as pd
import streamlit as st

from gan_aug import catalog, jobs, runs, workspace
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import describe, list_splits
from gan_aug.errors import NotFound
from gan_aug.records import RESOLUTIONS, Dataset, GanConfig, Job, Run
from pages.components import chrome, machine
from pages.components.config_help import MAIN_FIELDS, WORDS

FEW_IMAGES = 200  # below so many training images a GAN tends to repeat what it has seen
LITTLE_DISK = 2_000_000_000  # bytes; a training writes some hundred megabytes of snapshots


def train_form(datasets: list[Dataset]) -> Job | None:
    """Draw the form; the job, once the user has launched it."""
    parent = _parent()
    form, side = chrome.two_columns("form")
    with form:
        arguments = _choices(datasets, parent)
    job = None
    with side.container(border=True), chrome.guard():
        job = _preflight(arguments)
    with side, chrome.guard():
        _difference(arguments, parent)
    return job


def _parent() -> Run | None:
    """The run to clone, if one was chosen."""
    if not (run_id := st.session_state.get("clone")):
        return None
    try:
        run = runs.load_run(run_id)
    except NotFound:
        del st.session_state["clone"]
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"The settings of **{chrome.plain(run.id)}** are filled in.", icon=":material/content_copy:")
        if st.button("Start afresh"):
            del st.session_state["clone"]
            st.rerun()
    return run


def _choices(datasets: list[Dataset], parent: Run | None) -> dict[str, Any]:
    names = [record.name for record in datasets]
    prefix = f"train-{parent.id if parent else ''}"
    gan = st.segmented_control(
        "GAN",
        list(catalog.ENTRIES),
        default=parent.spec if parent else "dcgan",
        format_func=lambda name: catalog.ENTRIES[name].title,
        required=True,
        key=f"{prefix}-gan",
    )
    entry = catalog.entry(gan)
    st.caption(chrome.plain(entry.summary) + f"  \n{chrome.plain(entry.paper)}, [arXiv {entry.arxiv}](https://arxiv.org/abs/{entry.arxiv})")
    left, right = st.columns(2)
    at = names.index(parent.dataset) if parent and parent.dataset in names else 0
    record = datasets[names.index(left.selectbox("Dataset", names, index=at, key=f"{prefix}-data"))]
    class_name = _class(right, record, entry, parent, prefix)
    left, right = st.columns(2)
    presets = list(entry.presets)
    at = presets.index(parent.preset) if parent and parent.preset in presets else 0
    preset = left.selectbox("Preset", presets, index=at, help=_preset_help(presets), key=f"{prefix}-preset")
    text = "The same seed repeats a training."
    seed = right.number_input("Seed", 0, 2**31 - 1, parent.seed if parent else 0, help=text, key=f"{prefix}-seed")
    defaults = dataclasses.asdict(catalog.gan_config(gan, preset))
    cloned = parent.config if parent and (parent.spec, parent.preset) == (gan, preset) else {}
    start = defaults | {name: value for name, value in cloned.items() if name in defaults and name not in entry.unused}
    settings = start | _settings(start, record, entry.unused, f"{prefix}-{gan}-{preset}")
    return {
        "gan": gan,
        "data": record.name,
        "class_name": class_name,
        "preset": preset,
        "settings": {name: value for name, value in settings.items() if value != defaults[name]},
        "seed": seed,
        "split_id": _split_id(record),
        "parent": parent.id if parent else None,
    }


def _class(place: Any, record: Dataset, entry: catalog.Entry, parent: Run | None, prefix: str) -> str | None:
    """The one class to learn; a conditional GAN always learns all."""
    if entry.conditional:
        place.selectbox("Class", ["all, and can be asked for each"], disabled=True, key=f"{prefix}-all")
        return None
    options = [*record.classes, None]
    wanted = parent.class_name if parent else "malignant"
    return place.selectbox(
        "Class",
        options,
        index=options.index(wanted) if wanted in options else 0,
        format_func=lambda name: name or "all together",
        help="This GAN learns one kind of image. To help a classifier, choose the rare class.",
        key=f"{prefix}-{record.name}-class",
    )


def _preset_help(presets: list[str]) -> str:
    return "\n\n".join(f"**{name}**: {catalog.PRESET_SUMMARIES[name]}" for name in presets)


def _split_id(record: Dataset) -> str | None:
    """The split to train on: none named where there is one or none yet (a default one is made), else the user's choice."""
    splits = list_splits(record.name)
    if len(splits) < 2:
        return splits[0].id if splits else None
    chosen = st.selectbox("Split", splits, format_func=describe, help="The GAN sees the train part only.", key=f"split-{record.name}")
    return chosen.id


def _settings(start: dict[str, Any], record: Dataset, unused: tuple[str, ...], prefix: str) -> dict[str, Any]:
    """Widgets for the fields of GanConfig that the GAN uses, the advanced ones folded away; their values."""
    values = {}
    left, right = st.columns(2)
    sizes = [size for size in RESOLUTIONS if size <= record.size] or [RESOLUTIONS[0]]
    words = WORDS["resolution"]
    at = sizes.index(start["resolution"]) if start["resolution"] in sizes else 0
    values["resolution"] = left.selectbox(
        words.label, sizes, index=at, format_func=lambda size: f"{size} px", help=words.help, key=f"{prefix}-resolution"
    )
    words = WORDS["total_kimg"]
    values["total_kimg"] = right.number_input(
        f"{words.label} [thousand images]", min_value=0.1, max_value=1e6, value=float(start["total_kimg"]), format="%g", step=10.0,
        help=words.help, key=f"{prefix}-total_kimg",
    )  # fmt: skip
    hints = typing.get_type_hints(GanConfig)
    used = {name: words for name, words in WORDS.items() if name not in MAIN_FIELDS and name not in unused}
    with st.expander("Advanced settings", icon=":material/tune:"):
        for group in dict.fromkeys(words.group for words in used.values()):
            st.markdown(f"**{group}**")
            fields = [name for name, words in used.items() if words.group == group]
            # A third of the form would cut off pills and, on a narrow screen, the words beside a switch.
            wide = [name for name in fields if typing.get_origin(hints[name]) is tuple]
            switches = [name for name in fields if hints[name] is bool]
            narrow = [name for name in fields if name not in wide and name not in switches]
            for name in wide:
                values[name] = _widget(name, hints[name], start[name], f"{prefix}-{name}")
            for first in range(0, len(narrow), 3):
                for column, name in zip(st.columns(3, vertical_alignment="bottom"), narrow[first : first + 3], strict=False):
                    with column:
                        values[name] = _widget(name, hints[name], start[name], f"{prefix}-{name}")
            for name in switches:
                values[name] = _widget(name, hints[name], start[name], f"{prefix}-{name}")
    return values


def _widget(name: str, hint: Any, value: Any, key: str) -> Any:
    """The input that fits a field's type."""
    label, text = WORDS[name].label, WORDS[name].help
    if typing.get_origin(hint) is typing.Literal:
        options = list(typing.get_args(hint))
        return st.selectbox(label, options, index=options.index(value), help=text, key=key)
    if typing.get_origin(hint) is tuple:
        return tuple(st.pills(label, ["translation", "cutout", "color"], selection_mode="multi", default=list(value), help=text, key=key))
    if hint is bool:
        return st.toggle(label, value=value, help=text, key=key)
    if hint is int:
        return st.number_input(label, value=int(value), step=1, help=text, key=key)
    step = 10.0 ** (math.floor(math.log10(value)) - 1) if value else 0.1  # a tenth of the first digit
    return st.number_input(label, value=float(value), format="%g", step=step, help=text, key=key)


# --- before the launch -------------------------------------------------------------------------------------------------------------------


def _preflight(arguments: dict[str, Any]) -> Job | None:
    """What is known before the start, and the button."""
    st.markdown("**Before you start**")
    config = catalog.gan_config(arguments["gan"], arguments["preset"], **arguments["settings"])
    counts = training_images(arguments["data"], arguments["split_id"])
    used = counts if arguments["class_name"] is None else {arguments["class_name"]: counts.get(arguments["class_name"], 0)}
    n_images = sum(used.values())
    facts = {"Training images": chrome.plain(", ".join(f"{count:,} {name}" for name, count in used.items()))}
    facts["Each shown"] = f"about {config.total_kimg * 1000 / max(1, n_images):,.0f} times"
    facts["Generator steps"] = f"{config.total_steps:,}"
    facts["Estimated time"] = _estimate(arguments["gan"], config)
    facts["Device"] = machine.devices()
    free = machine.free_bytes(workspace.checkpoints())
    facts["Free disk"] = f"{free / 1e9:,.0f} GB"
    st.table(pd.Series(facts), border="horizontal", hide_header=True)
    if arguments["split_id"] is None:
        st.caption("This dataset is not split yet. The default split is made first: 70 % train, 15 % val, 15 % test, by patient.")
    if n_images < FEW_IMAGES:
        st.warning(f"{n_images} images are few: expect the GAN to repeat what it has seen.", icon=":material/warning:")
    if free < LITTLE_DISK:
        st.warning("The disk is nearly full. Free some space first.", icon=":material/hard_drive:")
    if st.button("Launch", type="primary", icon=":material/rocket_launch:", width="stretch", disabled=n_images < 2):
        return jobs.submit("train_gan", {name: value for name, value in arguments.items() if value not in (None, {})})
    return None


def _difference(arguments: dict[str, Any], parent: Run | None) -> None:
    """In which settings the new run would differ from one there is."""
    found = {run.id: run for run in runs.list_runs("gan")}
    if not found:
        return
    at = list(found).index(parent.id) if parent and parent.id in found else None
    chosen = st.selectbox(
        "Difference to a run", list(found), index=at, placeholder="Choose a run", key=f"difference-{parent.id if parent else ''}"
    )
    if chosen is None:
        return
    rows = differences(found[chosen], arguments)
    if rows:
        st.dataframe(pd.DataFrame(rows, columns=["setting", chosen, "new run"]), hide_index=True)
    else:
        st.caption("None: it would be the same training.")


def differences(run: Run, arguments: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Setting, value in ``run`` and value in the run that ``arguments`` describe, where the two are not the same."""
    config = dataclasses.asdict(catalog.gan_config(arguments["gan"], arguments["preset"], **arguments["settings"]))
    old = {"gan": run.spec, "data": run.dataset, "class": run.class_name or "all", "seed": run.seed, **run.config}
    new = {
        "gan": arguments["gan"],
        "data": arguments["data"],
        "class": arguments["class_name"] or "all",
        "seed": arguments["seed"],
        **config,
    }
    return [(name, _said(old.get(name, "")), _said(new[name])) for name in new if _said(old.get(name, "")) != _said(new[name])]


def _said(value: Any) -> str:
    return ", ".join(value) or "none" if isinstance(value, (tuple, list)) else str(value)


def training_images(name: str, split_id: str | None) -> dict[str, int]:
    """Number of images of each class in the train part, or in the whole dataset (at 70 %) while it has no split."""
    image_set = open_dataset(name)
    labels = image_set.table["label"]
    split = next((split for split in list_splits(name) if split.id == split_id), None)
    counts = labels.value_counts() if split is None else labels.iloc[split.rows("train")].value_counts()
    share = 0.7 if split is None else 1.0
    return {label: round(int(counts.get(label, 0)) * share) for label in image_set.record.classes}


def _estimate(gan: str, config: GanConfig) -> str:
    """How long it should take, by the speed of earlier runs of the same GAN at the same size."""
    alike = [run for run in runs.list_runs("gan") if run.spec == gan and run.config["resolution"] == config.resolution]
    speeds = [status.images_per_second for _, status in runs.scan_statuses(alike)[0] if status.images_per_second > 0]
    if not speeds:
        return "unknown until a first run"
    return f"about {chrome.duration(config.total_kimg * 1000 / statistics.median(speeds))}"
