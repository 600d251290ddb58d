"""Choices that the page's address holds, so that a link restores the view.

Streamlit's own ``bind="query-params"`` writes what a choice looks like on the screen; here the address holds what it *is* (a run's id, a
study's name), which stays the same when a label changes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.components import chrome


def pick(widget: Callable[..., Any], label: str, options: Sequence[str], *, key: str, what: str | None = None, **more: Any) -> str:
    """One of ``options``, by a widget whose value stands in the address under ``key``.

    Parameters
    ----------
    widget : callable
        ``st.selectbox`` or ``st.segmented_control``.
    what : str, optional
        What the options are, such as "study": a link to one that is not there then gets a warning.
    more : dict
        Passed on to the widget.
    """
    wanted, noted = st.query_params.get(key), f"{key} in the address"
    if st.session_state.get(key, wanted) not in options:
        st.session_state.pop(key, None)
    if wanted in options and (key not in st.session_state or wanted != st.session_state.get(noted)):
        st.session_state[key] = wanted
    elif wanted is not None and wanted not in options and what:
        st.warning(f"There is no {what} {chrome.plain(wanted)}. Another one is shown.", icon=":material/link_off:")
    if widget is st.segmented_control:
        more["required"] = True
        if key not in st.session_state:
            more["default"] = options[0]
    value = widget(label, options, key=key, **more)
    if st.query_params.get(key) != value:
        st.query_params[key] = value
    st.session_state[noted] = value
    return value
