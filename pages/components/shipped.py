"""The generators that come with gan_aug: what they paint can be seen before anything is trained."""

from pathlib import Path

import streamlit as st

from gan_aug import runs
from gan_aug.records import Run
from pages.components import chrome, generators

PICTURES = "pictures.png"  # made with the card; see gan_aug/publish.py


def is_shipped(run: Run) -> bool:
    """Whether a run came with gan_aug and was not trained here."""
    return runs.run_folder(run.id).parent.name == "pretrained"


def painted(folder: Path) -> None:
    """The pictures beside the card in ``folder``, if there are any."""
    if (folder / PICTURES).exists():
        st.image(str(folder / PICTURES), width="content", output_format="PNG", alt=f"Lesions painted by {folder.name}")


def first_look() -> None:
    """What the first of them paints, and where to see more; nothing without any."""
    run = next((run for run in generators.available().values() if is_shipped(run) and (runs.run_folder(run.id) / PICTURES).exists()), None)
    if run is None:
        return
    chrome.section("Painted lesions", "None of these was ever on anybody's skin: synthetic images, for research only.")
    painted(runs.run_folder(run.id))
    st.caption(f"By {chrome.plain(generators.label(run))}, which comes with gan_aug; its card is under About.")
    st.page_link("pages/explore.py", label="Explore it", icon=":material/explore:", query_params={"mode": "walk", "run": run.id})
