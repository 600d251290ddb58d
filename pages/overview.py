"""Overview: what to do next, what is being done, and what the last study said."""

import streamlit as st

from gan_aug import jobs, workspace
from gan_aug.data.dataset import list_datasets
from pages.components import chrome, job_cards, machine, progress_list, shipped


def page() -> None:
    chrome.header("Overview", "From dermoscopy images to a fair answer: do GAN-generated lesions help a classifier?")
    if not list_datasets():
        _welcome()
    job_cards.panel(recent=1)
    left, right = chrome.two_columns("overview")
    with left:
        chrome.section("What to do next")
        progress_list.progress_list()
        shipped.first_look()
    with right:
        _verdict()
        _machine()


def _welcome() -> None:
    with st.container(border=True):
        st.markdown("**No dataset yet**")
        st.markdown(
            "Import your own dermoscopy images, or look around with the phantom demo: lesions drawn by rule, no patients, nothing medical."
        )
        with st.container(horizontal=True):
            waiting = job_cards.is_open("demo")
            if st.button("Load the phantom demo", type="primary", icon=":material/auto_awesome:", disabled=waiting):
                jobs.submit("demo", {})
                st.rerun()
            if st.button("Import images", icon=":material/upload_file:"):
                st.switch_page("pages/data.py")
        st.caption("Or in a terminal:")
        st.code("gan-aug data import FOLDER --name NAME", language=None)


def _verdict() -> None:
    chrome.section("What the last study said")
    found = progress_list.last_analysis()
    if found is None:
        st.caption("Nothing yet. A study compares classifiers that were trained with and without generated lesions.")
        return
    with st.container(border=True):
        st.markdown(f"**{chrome.plain(found.study)}**")
        st.markdown(chrome.plain(found.verdict))
        if found.phantom:
            st.caption("On phantom data: a check of the machinery, and no medical statement.")
        st.page_link("pages/compare.py", label="See the curves", icon=":material/ssid_chart:", query_params={"study": found.study})


def _machine() -> None:
    chrome.section("This machine")
    st.table(
        {
            "Trains on": machine.devices(),
            "Worker": machine.worker(),
            "Free disk": f"{machine.free_bytes(workspace.home()) / 1e9:,.0f} GB",
        },
        border="horizontal",
        hide_header=True,
    )


with chrome.guard():
    page()
