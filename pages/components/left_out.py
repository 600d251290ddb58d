"""What a list cannot show, because its files are damaged: said above the list, and not passed over in silence."""

from collections.abc import Collection

import streamlit as st

from pages.components import chrome

MOST = 3  # notices one by one; a list may have hundreds of rows


def warn(notices: Collection[str]) -> None:
    """A warning for each of the notices, or of many the first and how many more there are."""
    for notice in list(notices)[:MOST]:
        st.warning(chrome.plain(notice), icon=":material/broken_image:")
    if (more := len(notices) - MOST) > 0:
        st.warning(f"{more} more cannot be read either.", icon=":material/broken_image:")
