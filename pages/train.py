"""Train: launch a GAN, watch it learn, stop it, go on with it."""

import streamlit as st

from gan_aug import jobs, runs
from gan_aug.data.dataset import list_datasets
from pages.components import address, chrome, job_cards, left_out, seen_runs
from pages.components.live_run import live_run
from pages.components.run_table import run_table
from pages.components.seen_runs import SeenRun
from pages.components.train_form import train_form

VIEWS = {"runs": "Runs", "new": "New run"}


def page() -> None:
    chrome.header("Train", "Teach a GAN to generate lesions like those in the train part of a dataset, and watch it learn.")
    if "view" not in st.query_params and not any(runs.scan_runs("gan")):
        st.query_params["view"] = "new"
    view = address.pick(st.segmented_control, "View", list(VIEWS), key="view", format_func=VIEWS.get, label_visibility="collapsed")
    {"runs": _runs, "new": _new}[view]()


def _new() -> None:
    datasets = list_datasets()
    if not datasets:
        chrome.no_dataset("A GAN learns from images, and there is no dataset yet.")
    elif job := train_form(datasets):
        st.session_state.pop("clone", None)
        st.session_state["launched"] = job.id
        st.query_params["view"] = "runs"
        st.rerun()


def _runs() -> None:
    job_cards.panel("train_gan", recent=1, only=lambda job: seen_runs.run_of(job) is None)
    found, notices = seen_runs.scan()
    left_out.warn(notices)
    if not found:
        st.info("No GAN has been trained yet. Choose **New run** to start one.", icon=":material/info:")
        return
    _turn_to_launched({seen.run.id for seen in found})
    moving = any(seen.moving for seen in found)
    st.fragment(_watch, run_every=2 if moving else 10)(_signature(found))


@chrome.guard()
def _watch(expected: dict[str, bool]) -> None:
    """The table and the chosen run. The page is run again when a run comes, starts or ends."""
    found = seen_runs.look()
    if _signature(found) != expected:
        st.rerun()
    wanted = st.query_params.get("run")
    if wanted is not None and wanted not in expected:
        st.warning(f"There is no run {chrome.plain(wanted)}. Another one is shown.", icon=":material/link_off:")
    shown = next((seen for seen in found if seen.run.id == wanted), found[0])
    chosen = run_table(found, shown, st.query_params.get_all("with"))
    address.hold(run=chosen[0].run.id, **{"with": [seen.run.id for seen in chosen[1:]]})
    live_run(chosen[0], chosen[1:])


def _signature(found: list[SeenRun]) -> dict[str, bool]:
    """Which runs there are, and which of them move."""
    return {seen.run.id: seen.moving for seen in found}


def _turn_to_launched(there: set[str]) -> None:
    """Choose the run that was launched here, as soon as its folder is there."""
    job_id = st.session_state.get("launched")
    if job_id and (run_id := seen_runs.run_of(jobs.get(job_id))) in there:
        st.query_params["run"] = run_id
        del st.session_state["launched"]


with chrome.guard():
    page()
