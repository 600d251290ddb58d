"""Generators side by side: what was measured of each, with the floor that real images set, and never ranked across protocols."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from gan_aug import jobs, runs
from gan_aug.metrics.record import LOWER_IS_BETTER, METRICS, MetricRecord, comparable, differences, evaluations
from gan_aug.records import Run
from pages.components import address, chrome, generator_audit, generator_figures, generators, job_cards, run_settings
from pages.components.figure_parts import saved_as
from pages.components.generator_figures import Shown

MOST = 6  # generators side by side
EXTRACTORS = ("derm", "inception")

# Kind of the job, its argument for the generator, the button's label, icon and help.
_WORK = (
    ("evaluate", "reference", "Measure", ":material/straighten:", "KID and the others, of the snapshot that is in use."),
    (
        "select_best", "run_id", "Choose the best snapshot", ":material/star:",
        "Measures every snapshot on val; the lowest KID, averaged with its neighbours, is the one that is used from then on.",
    ),
    ("audit", "reference", "Audit", ":material/policy:", "Does it repeat images that it was trained on?"),
)  # fmt: skip


def show(found: dict[str, Run]) -> None:
    """Choose generators, and show what was measured of them and what their audits say."""
    job_cards.panel(*(kind for kind, *_ in _WORK), recent=1)
    if not found:
        generators.none_yet()
        return
    labels = {name: f"{generators.short(run)}, {run.class_name or 'all classes'}, {run.dataset}" for name, run in found.items()}
    if len(set(labels.values())) < len(labels):
        labels = {name: name for name in found}
    names = address.pick_many(
        f"Generators (at most {MOST})",
        list(found),
        _of_each(found)[:MOST],
        key="runs",
        what="generator",
        format_func=labels.get,
        max_selections=MOST,
        placeholder="Choose generators",
    )
    if not names:
        st.info("Choose at least one generator.", icon=":material/info:")
        return
    measured = {name: evaluations(name) for name in names}
    groups = by_protocol([record for records in measured.values() for record in records])
    silent = [name for name, records in measured.items() if not records]
    for number, group in enumerate(groups, start=1):
        _group(group, {name: found[name] for name in names}, number)
    if len(groups) > 1:
        _refusal(groups)
    if silent:
        st.info(f"Not measured yet: {chrome.plain(', '.join(silent))}.", icon=":material/straighten:")
        st.code("\n".join(f"gan-aug evaluate {name} --data {found[name].dataset}" for name in silent), language=None)
    generator_audit.show(names)
    box = st.expander("How they were trained", icon=":material/tune:", key="how-they-were-trained", on_change="rerun")
    if box.open:
        with box:
            run_settings.settings([found[name] for name in names])
    _measure(found, names, labels)


def _of_each(found: dict[str, Run]) -> list[str]:
    """The newest run of every GAN, then the second of each, and so on."""
    rank, seen = {}, Counter()
    for name, run in found.items():
        rank[name] = seen[run.spec]
        seen[run.spec] += 1
    return sorted(found, key=rank.get)


def _measure(found: dict[str, Run], names: list[str], labels: dict[str, str]) -> None:
    """Have a generator measured or audited."""
    with st.expander("Measure or audit a generator", icon=":material/straighten:"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox("Generator", names, format_func=labels.get, key="measured")
            through = st.selectbox(
                "Seen through", EXTRACTORS, key="extractor", accept_new_options=True,
                help="derm comes with gan_aug; inception is the network of the FID. classifier:RUN can be typed.",
            )  # fmt: skip
            n = int(st.number_input("Images on either side, at most", 50, 100_000, 1000, key="how-many"))
        with st.container(horizontal=True):
            for kind, subject, label, icon, text in _WORK:
                if st.button(label, key=f"do-{kind}", icon=icon, help=text):
                    jobs.submit(kind, {subject: name, "data": found[name].dataset, "extractor": through, "n": n})
                    st.rerun()


def by_protocol(records: Sequence[MetricRecord]) -> list[list[MetricRecord]]:
    """Records that may be ranked against each other, put together, most runs first; of one snapshot and metric only the newest."""
    newest = {}
    for record in records:
        newest[record.subject, _protocol(record)] = record
    groups: list[list[MetricRecord]] = []
    for record in newest.values():
        for group in groups:
            if comparable(dataclasses.replace(group[0], metric=record.metric), record):
                group.append(record)
                break
        else:
            groups.append([record])
    return sorted(groups, key=lambda group: -len({_run(record) for record in group}))


def _protocol(record: MetricRecord) -> tuple:
    return (
        record.metric,
        record.extractor,
        record.weights_sha256,
        record.real_set_fingerprint,
        record.n_fake,
        record.resize,
        record.image_size,
    )


def _group(group: list[MetricRecord], picked: dict[str, Run], number: int) -> None:
    first = group[0]
    chrome.section(f"Measured through {first.extractor}: {first.part} part, {first.image_size} px")
    what = f"{first.n_fake} generated and {first.n_real} real images of {first.dataset}, {first.class_name or 'all classes'}."
    st.caption(chrome.plain(f"{what} Extractor weights {first.weights_sha256[:12]}."))
    note = f"{first.n_fake} generated and {first.n_real} real images; not a clinical performance claim."
    chosen = one_each(group, picked)
    _figures(group, chosen, note, number)
    subjects = {shown.subject for shown in chosen}
    rows = [record for record in group if record.subject in subjects]
    st.dataframe(table(rows), hide_index=True, key=f"protocol-{number}", alt="What was measured of every generator, and of real images")
    lines = ["KID and the Frechet distance: lower is closer to real. The last row is what two sets of real images score."]
    lines += dict.fromkeys(note for record in group for note in record.notes)
    st.caption("  \n".join(map(chrome.plain, lines)))
    if len(rows) < len(group):
        _all_snapshots(group, chosen, note, number)


def one_each(group: Sequence[MetricRecord], picked: dict[str, Run]) -> list[Shown]:
    """A snapshot of every measured run: the one that the run is used by, where it was measured, else the one that had seen most images."""
    measured: dict[str, dict[str, float]] = {}
    for record in group:
        measured.setdefault(_run(record), {})[record.subject] = generator_figures.kimg(record)
    places, found = list(picked), []
    for name, snapshots in measured.items():
        used = runs.resolve(name)[1].id
        subject = used if used in snapshots else max(snapshots, key=snapshots.get)
        found.append(Shown(generators.short(picked[name]), subject, places.index(name)))
    return found


def _run(record: MetricRecord) -> str:
    return record.subject.partition("@")[0]


def _figures(group: list[MetricRecord], chosen: list[Shown], note: str, number: int) -> None:
    found = {(record.metric, record.subject): record for record in group}
    left, right = chrome.halves(f"protocol-{number}")
    if kids := {shown: found["kid", shown.subject] for shown in chosen if ("kid", shown.subject) in found}:
        alt = "KID of every generator with its interval, and of two sets of real images; the numbers are in the table below"
        left.plotly_chart(generator_figures.kid(kids, note), key=f"kid-{number}", alt=alt, config=saved_as("kid"))
    both = {shown: tuple(found.get((metric, shown.subject)) for metric in ("recall", "precision")) for shown in chosen}
    if points := {shown: pair for shown, pair in both.items() if None not in pair}:
        alt = "Precision and recall of every generator, and of two sets of real images; the numbers are in the table below"
        figure = generator_figures.precision_recall(points, note)
        right.plotly_chart(figure, key=f"precision-recall-{number}", alt=alt, config=saved_as("precision-recall"))


def _all_snapshots(group: list[MetricRecord], chosen: list[Shown], note: str, number: int) -> None:
    """How the measures changed as training went on; drawn when it is unfolded."""
    label = f"As training went on: {len({record.subject for record in group})} snapshots"
    box = st.expander(label, icon=":material/timeline:", key=f"as-training-went-on-{number}", on_change="rerun")
    if not box.open:
        return
    ordered = sorted(group, key=lambda record: (_run(record), generator_figures.kimg(record)))
    kids = [record for record in ordered if record.metric == "kid"]
    with box:
        history = {shown: [record for record in kids if _run(record) == shown.run_id] for shown in chosen}
        alt = "KID of every snapshot over the images shown to it; the numbers are in the table below"
        figure = generator_figures.over_training({shown: records for shown, records in history.items() if records}, note)
        st.plotly_chart(figure, key=f"over-training-{number}", alt=alt, config=saved_as("kid-over-training"))
        st.dataframe(table(ordered), hide_index=True, key=f"snapshots-{number}", alt="What was measured of every snapshot")


def table(group: Sequence[MetricRecord]) -> pd.DataFrame:
    """One row per snapshot and one column per metric; the floor is the last row."""
    columns = {}
    for metric in METRICS:
        for record in group:
            if record.metric == metric:  # the extractor stands above the table
                columns[metric] = f"{record.title} {'↓' if metric in LOWER_IS_BETTER else '↑'}"
    rows = []
    for subject in dict.fromkeys(record.subject for record in group):
        row = {"Generator": subject}
        for record in group:
            if record.subject == subject:
                row[columns[record.metric]] = record.value_text
        rows.append(row)
    floor = {columns[record.metric]: record.floor_text for record in group}
    return pd.DataFrame([*rows, {"Generator": "real against real (floor)", **floor}]).fillna("")


def _refusal(groups: list[list[MetricRecord]]) -> None:
    one, other = groups[0][0], dataclasses.replace(groups[1][0], metric=groups[0][0].metric)
    reasons = "; ".join(differences(one, other))
    st.warning(
        f"The tables above are not put into one ranking, because the numbers were not measured alike ({chrome.plain(reasons)}).",
        icon=":material/difference:",
    )
