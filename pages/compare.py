"""Compare: what a study of augmentation schemes says, and generators side by side."""

import io
import tempfile
import zipfile
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gan_aug import jobs, report, study
from gan_aug.errors import NotFound
from gan_aug.records import Study
from gan_aug.study import Analysis, PartResult, Plan
from pages.components import address, chrome, generator_metrics, generators, job_cards, roc, study_form, study_tables
from pages.components.roc import Line

VIEWS = {"results": "Studies", "generators": "Generators", "new": "New study"}
MOST = 6  # arms in one figure


def page() -> None:
    chrome.header("Compare", "Do synthetic images help a classifier? Every number comes with its interval, and no gain is an answer too.")
    view = address.pick(st.segmented_control, "View", list(VIEWS), key="view", format_func=VIEWS.get, label_visibility="collapsed")
    if view == "generators":
        generator_metrics.show(generators.available())
    elif view == "new":
        study_form.show()
    else:
        _studies()


def _studies() -> None:
    job_cards.panel("study", recent=1)
    studies = {record.name: record for record in study.list_studies()}
    if not studies:
        st.info(
            "No study has been run yet. A study trains classifiers with and without synthetic images and compares them.",
            icon=":material/info:",
        )
        st.button("Plan a study", icon=":material/add:", type="primary", on_click=_open_form)
        return
    record = studies[address.pick(st.selectbox, "Study", list(studies), key="study", what="study")]
    plan = study.load_plan(record.name)
    st.markdown(f"**{chrome.plain(record.question)}**")
    if plan.phantom:
        st.badge("Phantom images, drawn by rule: nothing here says anything about skin", icon=":material/draw:", color="orange")
    try:
        analysis = study.load_analysis(record)
    except NotFound:
        st.fragment(_progress, run_every=5)(record)
        return
    _results(record, plan, analysis, studies)


def _open_form() -> None:
    st.session_state["view"] = "new"


@chrome.guard()
def _progress(record: Study) -> None:
    """A study that is not done yet; its panel of jobs has the page run again when it is."""
    cells = study.cells(record)
    done = sum(cell.state in ("trained", "done") for cell in cells)
    st.progress(done / len(cells), text=f"{done} of {len(cells)} classifiers trained. The test part is opened when all are.")
    rows = [{"Scheme": cell.scheme, "Seed": str(cell.seed), "State": cell.state, "Where it is": cell.message} for cell in cells]
    st.dataframe(rows, hide_index=True)
    active = [job.arguments["name"] for job in jobs.list_jobs() if job.kind == "study" and job.status in job_cards.ACTIVE]
    if record.name not in active and st.button("Go on with this study", icon=":material/play_arrow:", type="primary"):
        jobs.submit("study", {"name": record.name})
        st.rerun()


# --- a study that is done ----------------------------------------------------------------------------------------------------------------


def _results(record: Study, plan: Plan, analysis: Analysis, studies: dict[str, Study]) -> None:
    _verdict(analysis)
    part = _choose_part(analysis)
    left, right = chrome.two_columns("choice")
    with left:
        lines = _choose_lines(record, part)
    with right:
        lines += _lines_of_others(record, plan, part, studies)
    if not lines:
        st.info("Choose at least one scheme.", icon=":material/info:")
        return
    _roc(part, analysis.base, lines)
    left, right = _halves("curves")
    with left:
        chrome.section("Precision and recall")
        st.plotly_chart(roc.precision_recall(part, lines), key="pr", alt="Precision-recall curves of the chosen schemes")
    with right:
        chrome.section("Reliability")
        st.plotly_chart(roc.reliability(part, lines), key="reliability", alt="Reliability of the predicted probabilities")
    _numbers(plan, analysis.base, part, lines)
    _take_away(record)


def _verdict(analysis: Analysis) -> None:
    show = st.info if analysis.learned else st.warning
    show(f"**{chrome.plain(analysis.verdict)}**", icon=":material/gavel:")
    with st.expander("In detail, and what to keep in mind"):
        st.markdown("\n".join(f"- {chrome.plain(sentence)}" for sentence in (*analysis.findings, *analysis.cautions)))


def _choose_part(analysis: Analysis) -> PartResult:
    names = {part.part: f"{part.dataset}, {part.part} ({part.n} images)" for part in analysis.parts}
    if len(names) == 1:
        return analysis.parts[0]
    return analysis.part(address.pick(st.segmented_control, "Tested on", list(names), key="part", format_func=names.get))


def _choose_lines(record: Study, part: PartResult) -> list[Line]:
    st.session_state.setdefault("schemes", list(record.schemes[:MOST]))
    chosen = st.multiselect(
        "Schemes", list(record.schemes), key="schemes", bind="query-params", max_selections=MOST, placeholder="Choose schemes"
    )
    labels = study_tables.scheme_labels(record.schemes)
    return [Line(labels[name], part.arm(name), place, part.comparison(name)) for place, name in enumerate(record.schemes) if name in chosen]


def _lines_of_others(record: Study, plan: Plan, part: PartResult, studies: dict[str, Study]) -> list[Line]:
    """Arms of other studies, where these were judged on the same images; else a plain refusal."""
    others = [name for name in studies if name != record.name]
    if not others:
        return []
    lines = []
    overlaid = st.multiselect("Overlay another study", others, key="also", bind="query-params", placeholder="None", max_selections=2)
    for name in overlaid:
        if reason := unlike(plan, study.load_plan(name), part.part):
            text = f"{name} is not drawn here: {reason}. Curves on unlike test images say nothing about each other."
            st.error(chrome.plain(text), icon=":material/block:")
            continue
        arms = study.load_analysis(name).part(part.part).arms
        labels = study_tables.scheme_labels([arm.scheme for arm in arms])
        lines += [Line(f"{name}: {labels[arm.scheme]}", arm, len(record.schemes) + len(lines) + k, None) for k, arm in enumerate(arms)]
    return lines


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


def _roc(part: PartResult, base: str, lines: list[Line]) -> None:
    chrome.section("ROC curves", "With pointwise 95 % bands. A marker is the operating point whose threshold was chosen on the val part.")
    layouts = {"together": "In one figure", "apart": "Side by side"}
    layout = address.pick(
        st.segmented_control, "Layout", list(layouts), key="layout", format_func=layouts.get, label_visibility="collapsed"
    )
    if layout == "apart":
        against = next((line for line in lines if line.arm.scheme == base), lines[0])
        for start in range(0, len(lines), 2):
            for box, line in zip(_halves(f"roc{start}"), lines[start : start + 2], strict=False):
                box.plotly_chart(roc.roc_panel(part, line, against), key=f"roc {line.label}", alt=f"ROC curve of {line.label}")
        return
    left, right = chrome.two_columns("roc")
    left.plotly_chart(roc.roc(part, lines), key="roc", alt="ROC curves of the chosen schemes")
    if any(line.comparison for line in lines):
        right.plotly_chart(roc.differences(part, base, lines), key="differences", alt=f"Differences in AUC to {base}, with intervals")


def _halves(name: str) -> list[DeltaGenerator]:
    """Two containers of one width, one below the other where the window is narrow."""
    row = st.container(horizontal=True, gap="medium")
    return [row.container(key=f"wide-{name}-{side}") for side in ("left", "right")]


def _numbers(plan: Plan, base: str, part: PartResult, lines: list[Line]) -> None:
    positives = f"{part.n_positive} are {plan.study.positive}, so that guessing would have an AP of {part.prevalence:.3f}."
    chrome.section("Numbers", f"{roc.statement(part)} {positives}")
    st.dataframe(study_tables.metrics(base, lines), hide_index=True, key="metrics")
    st.caption(
        f"Base: {base}, fixed when the study was planned. p is corrected for the number of schemes (Holm). "
        "Thresholds were chosen on val and then frozen. Brier after recalibration on val."
    )
    with st.expander("What differs between the schemes"):
        own = [line.arm.scheme for line in lines if line.place < len(plan.study.schemes)]
        st.dataframe(study_tables.arm_differences(plan, own), hide_index=True, key="differing")


def _take_away(record: Study) -> None:
    chrome.section("Take away", "Every figure can also be saved with its own camera button.")
    with st.container(horizontal=True):
        st.download_button(
            "Report (HTML)", lambda: _report(record.name), f"{record.name}.html", "text/html",
            icon=":material/description:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Numbers and predictions (CSV)", lambda: _tables(record.name), f"{record.name}.zip", "application/zip",
            icon=":material/table:", on_click="ignore",
        )  # fmt: skip


def _report(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return report.write_html(name, Path(folder) / "report.html").read_bytes()


def _tables(name: str) -> bytes:
    """The study's tables as one archive."""
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in report.write_csv(name, Path(folder)):
            packed.write(path, path.name)
    return archive.getvalue()


with chrome.guard():
    page()
