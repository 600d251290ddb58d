"""About: what this tool is and is not, its keys, its licences, and the cards of the models that come with it."""

import platform
from pathlib import Path

import streamlit as st

from gan_aug import __version__, workspace
from gan_aug.records import NOTICE
from gan_aug.store.engine import database_url
from pages.components import chrome, keys, shipped

ROOT = Path(__file__).resolve().parent.parent


def page() -> None:
    chrome.header("About", "What this tool is, and what it is not.")
    st.warning(f"**{NOTICE}**", icon=":material/science:")
    st.markdown(
        "gan_aug trains generative networks on photographs of skin lesions, shows what they generate, lets people judge it, and "
        "measures whether a classifier that also learns from generated lesions gets better. A generated lesion is not a patient: its "
        "label is what the generator was asked for, and no biopsy confirms it. Every figure holds for the images it was measured on, "
        "and is no claim of clinical performance."
    )
    left, right = chrome.two_columns("about")
    with left:
        _models()
        _keys()
    with right:
        _version()
        _licences()


def _keys() -> None:
    chrome.section("Keys", "They act on the element that has the focus. Each has a button, too.")
    keys.tables()


def _version() -> None:
    chrome.section("This installation")
    facts = {
        "gan_aug": __version__,
        "Streamlit": st.__version__,
        "Python": platform.python_version(),
        "Workspace": str(workspace.home()),
        "Runs": str(workspace.checkpoints()),
        "Database": database_url().render_as_string(hide_password=True),
    }
    st.table(facts, border="horizontal", hide_header=True)


def _models() -> None:
    chrome.section("Models that come with it")
    cards = sorted(workspace.pretrained().glob("*/*.md"))
    if not cards:
        st.caption("None in this installation. What you train yourself is under Train.")
    for card in cards:
        with st.expander(card.parent.name, icon=":material/badge:", key=f"card-{card.parent.name}", on_change="rerun") as folded:
            if folded.open:
                shipped.generated(card.parent)
                lines = card.read_text(encoding="utf-8").splitlines()
                st.markdown("\n".join(line for line in lines if not line.startswith(("![", "# "))))  # both stand above


def _licences() -> None:
    chrome.section("Licences")
    st.caption("gan_aug is free software under the Apache License 2.0.")
    for name in ("NOTICE", "LICENSE"):
        with st.expander(name, icon=":material/gavel:", key=f"licence-{name}", on_change="rerun") as folded:
            if folded.open:
                st.code((ROOT / name).read_text(encoding="utf-8"), language=None, wrap_lines=True)


with chrome.guard():
    page()
