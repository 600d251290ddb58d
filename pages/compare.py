"""Compare: what studies and sweeps of augmentation schemes say, and generators side by side."""

import streamlit as st

from gan_aug import jobs, study
from gan_aug.errors import NotFound
from gan_aug.records import Study
from pages.components import (
    address,
    chrome,
    generator_metrics,
    generators,
    job_cards,
    left_out,
    study_form,
    study_results,
    sweep_form,
    sweep_results,
)

VIEWS = {"results": "Studies", "sweeps": "Sweeps", "generators": "Generators", "new": "New study", "plan": "New sweep"}


def page() -> None:
    chrome.header("Compare", "Do synthetic images help a classifier? Every number comes with its interval, and no gain is an answer too.")
    view = address.pick(st.segmented_control, "View", list(VIEWS), key="view", format_func=VIEWS.get, label_visibility="collapsed")
    if view == "generators":
        generator_metrics.show(generators.available())
    elif view == "sweeps":
        sweep_results.show()
    elif view == "new":
        study_form.show()
    elif view == "plan":
        sweep_form.show()
    else:
        _studies()


def _studies() -> None:
    job_cards.panel("study", recent=1)
    found, damaged = study.scan_studies()
    left_out.warn(damaged.values())
    studies = {record.name: record for record in found}
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
    study_results.show(record, plan, analysis, studies)


def _open_form() -> None:
    st.session_state["view"] = "new"


@chrome.guard()
def _progress(record: Study) -> None:
    """A study that is not done yet; its panel of jobs has the page run again when it is."""
    cells = study.cells(record)
    done = sum(cell.state in ("trained", "done") for cell in cells)
    st.progress(done / len(cells), text=f"{done} of {len(cells)} classifiers trained. The test part is opened when all are.")
    rows = [{"Scheme": cell.scheme, "Seed": str(cell.seed), "State": cell.state, "Where it is": cell.message} for cell in cells]
    st.dataframe(rows, hide_index=True, alt="How far every classifier is")
    active = [job.arguments["name"] for job in jobs.list_jobs() if job.kind == "study" and job.status in jobs.OPEN]
    if record.name not in active and st.button("Go on with this study", icon=":material/play_arrow:", type="primary"):
        jobs.submit("study", {"name": record.name})
        st.rerun()


with chrome.guard():
    page()
