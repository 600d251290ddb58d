"""Pictures of one or several generators on the Explore page: the filmstrip, and the files to take away."""

from collections.abc import Sequence

import streamlit as st

from pages.components import filmstrip, painting
from pages.components.filmstrip import Film

KEY = "film"

_FORMATS = {".webp": ("Animation (WebP)", "image/webp"), ".gif": ("Animation (GIF)", "image/gif"), ".png": ("Strip (PNG)", "image/png")}


def show(
    layout: str, painted: Sequence[painting.Painting], captions: Sequence[str], marks: Sequence[str] | None = None, start: int = 0
) -> None:
    """Hand pictures to the filmstrip, one row per painting; ``start`` is the column it begins at."""
    view = "/".join(each.digest for each in painted)
    film = Film(view, layout, tuple(each.row for each in painted), tuple(captions), tuple(marks or [""] * len(captions)), start)
    filmstrip.show(film, KEY)


def downloads(painted: painting.Painting, name: str) -> None:
    """Buttons that save the pictures as one file; ``name`` is that of the file, without its ending."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for suffix, (label, mime) in _FORMATS.items():
            st.download_button(
                label, lambda suffix=suffix: painting.animation(painted, suffix), f"{name}{suffix}", mime,
                key=f"download{suffix}", icon=":material/download:", on_click="ignore",
            )  # fmt: skip
        st.caption("Each file says inside which generator, seeds and settings it comes from, and that it is synthetic.")
