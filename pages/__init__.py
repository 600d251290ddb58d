"""The pages of the app, one script each; ``app.py`` is their router.

Streamlit runs a script of a folder called ``pages`` by itself, without the router, when the first visitor after a start opens a deep link.
Every page imports this package, so the first import switches that off and begins again through the router.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()
