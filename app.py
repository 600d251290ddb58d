"""The app: ``streamlit run app.py``. This script only frames and routes; each page is a script under ``pages/``."""

import streamlit as st

from pages.components import chrome, visitors

PAGES = (
    st.Page("pages/overview.py", title="Overview", icon=":material/checklist:", default=True),
    st.Page("pages/data.py", title="Data", icon=":material/photo_library:"),
    st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
    st.Page("pages/explore.py", title="Explore", icon=":material/explore:"),
    st.Page("pages/review.py", title="Review", icon=":material/fact_check:"),
    st.Page("pages/compare.py", title="Compare", icon=":material/ssid_chart:"),
    st.Page("pages/about.py", title="About", icon=":material/info:"),
)

chrome.configure()
admitted = visitors.admitted()
page = st.navigation(list(PAGES), position="sidebar" if admitted else "hidden", expanded=True)
chrome.furniture(page.title)
if admitted:
    visitors.sidebar(first=page.url_path == "")
    chrome.sidebar()
    page.run()
else:
    visitors.screen()
