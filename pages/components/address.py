"""Choices that the page's address holds, so that a link restores the view.

Streamlit's own ``bind="query-params"`` writes what a choice looks like on the screen; here the address holds what it *is* (a run's id, a
study's name), which stays the same when a label changes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.components import chrome


def pick(
    widget: Callable[..., Any],
    label: str,
    options: Sequence[str],
    *,
    key: str,
    what: str | None = None,
    default: str | None = None,
    **more: Any,
) -> str:
    """One of ``options``, by a widget whose value stands in the address under ``key``.

    Parameters
    ----------
    widget : callable
        ``st.selectbox`` or ``st.segmented_control``.
    what : str, optional
        What the options are, such as "study": a link to one that is not there then gets a warning.
    default : str, optional
        What is chosen where the address says nothing; else the first.
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
    if default is not None:
        st.session_state.setdefault(key, default)
    if widget is st.segmented_control:
        more["required"] = True
        if key not in st.session_state:
            more["default"] = options[0]
    value = widget(label, options, key=key, **more)
    if st.query_params.get(key) != value:
        st.query_params[key] = value
    st.session_state[noted] = value
    return value


def whole_number(text: str) -> int | None:
    """The number that a piece of an address means, if it means one. Of endless digits ``int`` makes an error."""
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def hold(**values: str | list[str]) -> None:
    """Write values into the address, where they differ from what stands there; an empty one is taken out."""
    for key, value in values.items():
        wanted = [value] if isinstance(value, str) else list(value)
        if st.query_params.get_all(key) != wanted:
            if wanted:
                st.query_params[key] = wanted
            else:
                del st.query_params[key]


def pick_many(label: str, options: Sequence[str], default: Sequence[str], *, key: str, what: str, **more: Any) -> list[str]:
    """Some of ``options``, by a list whose values stand in the address under ``key``.

    Parameters
    ----------
    default : sequence of str
        What is chosen where the address says nothing. To choose nothing at all is remembered too.
    what : str
        What the options are, such as "scheme": a link to some that are not there gets a warning.
    more : dict
        Passed on to ``st.multiselect``.
    """
    wanted, noted = st.query_params.get_all(key), f"{key} in the address"
    linked = bool(wanted) and wanted != st.session_state.get(noted)
    known = [value for value in dict.fromkeys(wanted) if value in options]
    most = more.get("max_selections") or len(known)
    if linked and (gone := [value for value in dict.fromkeys(wanted) if value and value not in options]):
        st.warning(f"There is no {what} {chrome.plain(', '.join(gone))}.", icon=":material/link_off:")
    if linked and len(known) > most:
        st.warning(f"The address names {len(known)} of these; the first {most} are shown.", icon=":material/link_off:")
    if linked and (known or wanted == [""]):
        st.session_state[key] = known[:most]
    elif key not in st.session_state or any(value not in options for value in st.session_state[key]):
        st.session_state[key] = list(default)
    chosen = st.multiselect(label, list(options), key=key, **more)
    written = chosen or ([""] if default else [])
    hold(**{key: written})
    st.session_state[noted] = written
    return chosen
