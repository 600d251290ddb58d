"""Do the generators repeat their training images? The newest audit of every snapshot, side by side, and the closest pairs to look at."""

from typing import Any

import pandas as pd
import streamlit as st

from gan_aug import workspace
from gan_aug.study import history
from pages.components import chrome, pictures


def show(names: list[str]) -> None:
    """A table of the audits of these runs, and their sheets of closest pairs on request."""
    found = [audit for name in names for audit in history.audits(name)]
    chrome.section("Audit: does a generator repeat its training images?")
    if not found:
        st.info("None of them has been audited yet.", icon=":material/policy:")
        return
    if copying := [audit["subject"] for audit in found if audit["verdict"] == "copies"]:
        st.error(f"Copies were found: {chrome.plain(', '.join(copying))}. Its images are no new patients.", icon=":material/content_copy:")
    st.dataframe(table(found), hide_index=True, key="audits", alt="Audits of the chosen generators")
    st.caption(
        "Every number stands beside the same of real images that were not trained on (generated / held-out). AuthPct: images further from "
        "the nearest training image than that is from its own neighbour; far below the held-out share means copying, and so does C_T far "
        "below 0."
    )
    if st.toggle("Show the closest pairs", key="pairs", bind="query-params", help="Generated beside the nearest real training image."):
        for audit in found:
            _sheet(audit)
    silent = [name for name in names if not any(audit["subject"].startswith(f"{name}@") for audit in found)]
    if silent:
        st.caption(f"Not audited yet: {chrome.plain(', '.join(silent))}.")


def table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per audit, in words and numbers as they are printed."""
    return pd.DataFrame([_row(audit) for audit in found])


def _row(audit: dict[str, Any]) -> dict[str, str]:
    space = audit["spaces"][0]  # the extractor's where one was named, else that of pixels
    return {
        "Generator": audit["subject"],
        "Verdict": audit["verdict"],
        "Identical": f"{audit['identical']} of {audit['n_fake']}",
        "Near-duplicates": " / ".join(map(str, audit["near_duplicates"])),
        "Seen through": space["space"],
        "AuthPct": " / ".join(f"{share:.0f} %" for share in space["auth_pct"]),
        "C_T": "too few images" if space["ct"] is None else f"{space['ct']:+.1f}",
        "Compared with": f"{audit['n_train']} trained, {audit['n_held_out']} held out",
    }


def _sheet(audit: dict[str, Any]) -> None:
    path = workspace.home() / audit["sheet"]  # an absolute path stays what it is
    st.markdown(f"**{chrome.plain(audit['subject'])}**")
    if not path.is_file():
        st.caption("The sheet of closest pairs is no longer there; audit again to have it.")
        return
    key = f"sheet-{''.join(sign if sign.isalnum() else '-' for sign in audit['subject'])}"
    with st.container(key=key):
        pictures.never_dim(key)
        words = f"The {len(audit['pairs'])} closest pairs of {audit['subject']}: generated left, nearest real image right"
        st.image(path.read_bytes(), caption=chrome.plain(words), alt=words, output_format="PNG")
    for reason in audit["reasons"]:
        st.caption(chrome.plain(reason))
