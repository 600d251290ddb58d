"""A study that is done: verdict, curves, one operating point, spread, settings, and what can be taken away."""

import io
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import streamlit as st

from gan_aug import report, study
from gan_aug.errors import NotFound
from gan_aug.records import Study
from gan_aug.study import Analysis, PartResult, Plan
from pages.components import address, chrome, operating_point, roc, spread, study_tables
from pages.components.figure_parts import Line, saved_as

SECTIONS = {
    "curves": "Curves and numbers",
    "point": "One operating point, cases that flip",
    "spread": "Seeds and ratios",
    "settings": "What differs",
}
MOST = 6  # arms in one figure
FEW_SEEDS = 3  # below, luck and effect cannot be told apart


def show(record: Study, plan: Plan, analysis: Analysis, studies: dict[str, Study]) -> None:
    """Everything about one study; ``studies`` holds those that can be laid over it."""
    _verdict(plan, analysis)
    part = _choose_part(analysis)
    left, right = chrome.two_columns("choice")
    with left:
        lines = _choose_lines(record, part)
    with right:
        _add_others(lines, record, plan, part, studies)
    if not lines:
        st.info("Choose at least one scheme.", icon=":material/info:")
        return
    section = address.pick(st.segmented_control, "Show", list(SECTIONS), key="show", format_func=SECTIONS.get, label_visibility="collapsed")
    if section == "curves":
        _curves(plan, analysis, part, lines)
    elif section == "point":
        operating_point.show(record, analysis, part, lines)
    elif section == "spread":
        _spread(record, analysis, part, lines)
    else:
        _settings(record, plan, lines)
    _take_away(record)


def _verdict(plan: Plan, analysis: Analysis) -> None:
    say = st.info if analysis.learned else st.warning
    say(f"**{chrome.plain(analysis.verdict)}**", icon=":material/gavel:")
    if len(analysis.seeds) < FEW_SEEDS:
        seeds = f"{len(analysis.seeds)} seed{'s' if len(analysis.seeds) > 1 else ''}"
        st.warning(
            f"Only {seeds} per scheme: the luck of a start cannot be told from an effect. Use {FEW_SEEDS} or more, better 5.",
            icon=":material/casino:",
        )
    with st.expander("In detail, and what to keep in mind"):
        st.markdown("\n".join(f"- {chrome.plain(sentence)}" for sentence in (*analysis.findings, *analysis.cautions, *plan.notes)))


# --- what is looked at -------------------------------------------------------------------------------------------------------------------


def _choose_part(analysis: Analysis) -> PartResult:
    names = {part.part: f"{part.dataset}, {part.part} ({part.n} images)" for part in analysis.parts}
    if len(names) == 1:
        return analysis.parts[0]
    return analysis.part(address.pick(st.segmented_control, "Tested on", list(names), key="part", format_func=names.get))


def _choose_lines(record: Study, part: PartResult) -> list[Line]:
    labels = study_tables.scheme_labels(record.schemes)
    chosen = address.pick_many(
        f"Schemes (at most {MOST})",
        record.schemes,
        record.schemes[:MOST],
        key="schemes",
        what="scheme in this study",
        format_func=labels.get,
        max_selections=MOST,
        placeholder="Choose schemes",
    )
    lines = []
    for place, name in enumerate(record.schemes):
        if name in chosen:  # it looks alike whatever else is chosen, as far as there are looks
            lines.append(Line(labels[name], part.arm(name), _free(lines, place), part.comparison(name), record.name))
    return lines


def _free(lines: list[Line], wanted: int) -> int:
    """A place whose look no line has yet: the wanted one, or the first."""
    free = _places(lines)
    return wanted if wanted in free else free[0]


def _add_others(lines: list[Line], record: Study, plan: Plan, part: PartResult, studies: dict[str, Study]) -> None:
    """Add arms of other studies, where these were judged on the same images; else refuse plainly."""
    others = [name for name in studies if name != record.name]
    if not others:
        return
    for name in address.pick_many("Overlay another study", others, (), key="also", what="study", placeholder="None", max_selections=2):
        if reason := unlike(plan, study.load_plan(name), part.part):
            text = f"{name} is not drawn here: {reason}. Curves on unlike test images say nothing about each other."
            st.error(chrome.plain(text), icon=":material/block:")
            continue
        try:
            arms = study.load_analysis(name).part(part.part).arms
        except NotFound as error:
            st.info(chrome.plain(error.what), icon=":material/hourglass_empty:")
            continue
        labels = study_tables.scheme_labels([arm.scheme for arm in arms])
        room = MOST - len(lines)
        lines += [Line(f"{name}: {labels[arm.scheme]}", arm, place, None, name) for arm, place in zip(arms, _places(lines), strict=False)]
        if (left_out := len(arms) - room) > 0:
            words = f"{left_out} scheme{'s are' if left_out > 1 else ' is'} left out"
            st.warning(f"Of {chrome.plain(name)}, {words}: {MOST} at once can be told apart.", icon=":material/palette:")


def _places(lines: list[Line]) -> list[int]:
    """The places whose looks no line has yet."""
    taken = {line.place for line in lines}
    return [place for place in range(MOST) if place not in taken]


def unlike(a: Plan, b: Plan, part: str) -> str | None:
    """Why study ``b`` was not judged on the same images as study ``a``, in words; None if it was."""
    if a.study.positive != b.study.positive:
        return f"it looks for {b.study.positive}, not for {a.study.positive}"
    if part == "external":
        same = (a.external_fingerprint, a.external_left_out) == (b.external_fingerprint, b.external_left_out)
        return None if same else f"its external test images are {b.study.external or 'none'}, or others of that set"
    if a.dataset_fingerprint != b.dataset_fingerprint:
        return f"it was tested on {b.study.dataset}, and this one on {a.study.dataset}, or on another state of it"
    if a.study.split_fingerprint != b.study.split_fingerprint:
        return f"it used another split of {b.study.dataset}: {b.study.split_id}, not {a.study.split_id}"
    return None


# --- curves and numbers ------------------------------------------------------------------------------------------------------------------


def _curves(plan: Plan, analysis: Analysis, part: PartResult, lines: list[Line]) -> None:
    _roc(part, analysis.base, lines)
    left, right = chrome.halves("curves")
    with left:
        chrome.section("Precision and recall")
        alt = "Precision-recall curves of the chosen schemes; their average precision is in the table of numbers"
        st.plotly_chart(roc.precision_recall(part, lines), key="pr", alt=alt, config=saved_as(f"{plan.study.name}-pr"))
    with right:
        chrome.section("Reliability")
        alt = "Reliability of the predicted probabilities; Brier scores are in the table of numbers"
        st.plotly_chart(roc.reliability(part, lines), key="reliability", alt=alt, config=saved_as(f"{plan.study.name}-reliability"))
    positives = f"{part.n_positive} are {plan.study.positive}, so that guessing would have an AP of {part.prevalence:.3f}."
    chrome.section("Numbers", chrome.plain(f"{roc.statement(part)} {positives}"))
    st.dataframe(
        study_tables.metrics(analysis.base, lines, analysis.learned), hide_index=True, key="metrics", alt="Numbers of every scheme"
    )
    st.caption(
        f"Base: {chrome.plain(analysis.base)}, fixed when the study was planned. p is corrected for the number of schemes (Holm); “no "
        "evidence” is not evidence of no effect. At an aim: sensitivity / specificity with the threshold that reaches it on val. Brier "
        "after recalibration on val."
    )


def _roc(part: PartResult, base: str, lines: list[Line]) -> None:
    chrome.section("ROC curves", "With pointwise 95 % bands. A marker is the operating point whose threshold was chosen on the val part.")
    layouts = {"together": "In one figure", "apart": "Side by side"}
    layout = address.pick(
        st.segmented_control, "Layout", list(layouts), key="layout", format_func=layouts.get, label_visibility="collapsed"
    )
    saved = f"{lines[0].study}-roc"
    if layout == "apart":
        against = next((line for line in lines if line.arm.scheme == base), lines[0])
        for start in range(0, len(lines), 2):
            for box, line in zip(chrome.halves(f"roc{start}"), lines[start : start + 2], strict=False):
                alt = f"ROC curve of {line.label}: {_auc(line)}"
                box.plotly_chart(roc.roc_panel(part, line, against), key=f"roc {line.label}", alt=alt, config=saved_as(saved))
        return
    left, right = chrome.two_columns("roc")
    alt = "ROC curves of the chosen schemes: " + "; ".join(f"{line.label} {_auc(line)}" for line in lines)
    left.plotly_chart(roc.roc(part, lines), key="roc", alt=alt, config=saved_as(saved))
    if any(line.comparison for line in lines):
        alt = f"Differences in AUC to {base}, with intervals; they are in the table of numbers too"
        right.plotly_chart(roc.differences(part, base, lines), key="differences", alt=alt, config=saved_as(f"{saved}-differences"))


def _auc(line: Line) -> str:
    auc = line.arm.auc
    return f"AUC {auc.value:.3f}, 95 % interval {auc.low:.3f} to {auc.high:.3f}"


# --- spread ------------------------------------------------------------------------------------------------------------------------------


def _spread(record: Study, analysis: Analysis, part: PartResult, lines: list[Line]) -> None:
    left, right = chrome.halves("seeds")
    with left:
        chrome.section("Seeds", "Each training by itself, and the mean score of all, whose interval is that of the images alone.")
        alt = "AUC of every training seed: " + "; ".join(f"{line.label} {_spread_words(line)}" for line in lines)
        st.plotly_chart(spread.seeds(part, lines), key="seeds", alt=alt, config=saved_as(f"{record.name}-seeds"))
    if any(line.comparison for line in lines):
        with right:
            chrome.section("Seed by seed against the base", "Filled: their mean; its interval is for new patients and new classifiers.")
            figure = spread.seed_differences(part, analysis.base, lines)
            alt = f"Differences in AUC to {analysis.base}, seed by seed, with the interval of their mean"
            st.plotly_chart(figure, key="seed-differences", alt=alt, config=saved_as(f"{record.name}-seed-differences"))
    chrome.section("Over the ratio", "Do more synthetic images help more? Schemes that differ in nothing but their number.")
    ladders = study.ladders(record.schemes)
    if not ladders:
        st.info(
            "No two schemes of this study differ in their ratio alone. A study with several ratios of one generator, such as "
            "standard+synthetic:RUN@0.5 and standard+synthetic:RUN@1.0, has a curve here.",
            icon=":material/info:",
        )
        return
    names = [label.replace(" ×1", "") for label in study_tables.scheme_labels([f"{ladder.name}@1" for ladder in ladders]).values()]
    alt = "AUC over the number of synthetic images: " + "; ".join(
        f"{dose.ratio:g} per real image {part.arm(dose.scheme).auc.value:.3f}" for ladder in ladders for dose in ladder.doses
    )
    st.plotly_chart(spread.ratios(part, ladders, names), key="ratios", alt=alt, config=saved_as(f"{record.name}-ratios"))


def _spread_words(line: Line) -> str:
    return f"{line.arm.seed_mean:.3f}" + (f" ± {line.arm.seed_sd:.3f}" if line.arm.seed_sd is not None else "")


# --- settings ----------------------------------------------------------------------------------------------------------------------------


def _settings(record: Study, plan: Plan, lines: list[Line]) -> None:
    chrome.section("What differs between the schemes")
    everything = st.toggle("Also what is the same", key="same", bind="query-params")
    own = [line.arm.scheme for line in lines if line.study == record.name]
    table = study_tables.arm_differences(plan, own, everything).rename(columns=study_tables.scheme_labels(record.schemes))
    _wide(table, "differing", "Properties in which the chosen schemes differ")
    others = list(dict.fromkeys(line.study for line in lines if line.study != record.name))
    if others:
        chrome.section("What differs between the studies")
        table = study_tables.study_differences([plan, *map(study.load_plan, others)], everything)
        _wide(table, "differing-studies", "Settings in which the studies differ")


def _wide(table: pd.DataFrame, key: str, alt: str) -> None:
    """A table whose columns have room for what stands in them, however short their names."""
    columns = {name: st.column_config.Column(width="medium") for name in table.columns}
    st.dataframe(table, hide_index=True, key=key, alt=alt, column_config=columns)


# --- to take away ------------------------------------------------------------------------------------------------------------------------


def _take_away(record: Study) -> None:
    chrome.section("Take away", "A figure is saved, as a drawing, with the camera button at its upper right corner; a table likewise.")
    photographs = st.toggle("Photographs in the report", value=True, help="Real images that schemes call differently, shown small.")
    name = record.name
    with st.container(horizontal=True):
        st.download_button(
            "Report (HTML)", lambda: _report(name, photographs), f"{name}.html", "text/html",
            icon=":material/description:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Numbers and predictions (CSV)", lambda: _tables(name), f"{name}.zip", "application/zip",
            icon=":material/table:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Plan and numbers (JSON)", lambda: _json(name), f"{name}.json", "application/json",
            icon=":material/data_object:", on_click="ignore",
        )  # fmt: skip


def _report(name: str, photographs: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return report.write_html(name, Path(folder) / "report.html", real_images=photographs).read_bytes()


def _tables(name: str) -> bytes:
    """The study's tables as one archive."""
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in report.write_csv(name, Path(folder)):
            packed.write(path, path.name)
    return archive.getvalue()


def _json(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return report.write_json(name, Path(folder) / "study.json").read_bytes()
