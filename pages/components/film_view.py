"""Pictures of one or several generators on the Explore page: the filmstrip, nearest real images, stars, and the files to take away."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gan_aug import files
from gan_aug.errors import UserError
from gan_aug.nearest import Space
from pages.components import chrome, filmstrip, generation, nearest_real, stars
from pages.components.filmstrip import Film

KEY = "film"

_FORMATS = {".webp": ("Animation (WebP)", "image/webp"), ".gif": ("Animation (GIF)", "image/gif"), ".png": ("Strip (PNG)", "image/png")}
_FAILED = "film_failed"  # the view whose nearest real images could not be found


def show(
    layout: str, generated: Sequence[generation.Generated], captions: Sequence[str], marks: Sequence[str] | None = None, start: int = 0
) -> Callable[[], None] | None:
    """Show pictures, one row for each of ``generated``; ``start`` is the column that the filmstrip begins at.

    The pictures come first. Where nearest real images are asked for and not known yet, what looks them up is returned, to be called when
    the rest of the page has been drawn; it draws the page anew with them under the pictures.
    """
    film = Film(
        view=files.sha256_bytes("/".join(each.digest for each in generated).encode())[:24],
        layout=layout,
        rows=tuple(each.row for each in generated),
        captions=tuple(captions),
        marks=tuple(marks or [""] * len(captions)),
        can_star=tuple(all(names) for names in zip(*(each.names for each in generated), strict=True)),
        start=start,
    )
    place = st.container()  # filled last, because what is chosen below it decides what is in it
    spaces: dict[str, Space] = {}
    if nearest_real.asked():
        try:
            spaces = nearest_real.panel(generated)
        except UserError as error:
            nearest_real.unavailable(error)
        if sum(len(each.images) for each in generated) > nearest_real.MOST:
            st.caption(f"Only views of up to {nearest_real.MOST} pictures are compared. Choose fewer seeds or generators.")
            spaces = {}
    missing = _missing(generated, spaces)
    failed = st.session_state.get(_FAILED) == film.view
    with place:
        _film(film, list(generated), spaces)
        if missing and failed:
            st.caption("The nearest real images could not be looked up.")
    return functools.partial(_look_up, missing, spaces, film.view, place) if missing and not failed else None


@st.fragment
@chrome.guard()
def _film(film: Film, generated: list[generation.Generated], spaces: dict[str, Space]) -> None:
    shown = [tuple(name for name in names if name) for names in zip(*(each.names for each in generated), strict=True)]
    chosen = stars.starred()
    rows = tuple(
        dataclasses.replace(row, reals=nearest_real.known(spaces[each.run.id], each) if each.run.id in spaces else None)
        for row, each in zip(film.rows, generated, strict=True)
    )
    starred = tuple(column for column, names in enumerate(shown) if film.can_star[column] and set(names) <= set(chosen))
    filmstrip.show(dataclasses.replace(film, rows=rows, starred=starred), KEY, lambda: _star(film, shown))
    stars.panel()


def _missing(generated: Sequence[generation.Generated], spaces: dict[str, Space]) -> list[generation.Generated]:
    """The rows whose nearest real images are wanted and not known yet."""
    return [each for each in generated if each.run.id in spaces and nearest_real.known(spaces[each.run.id], each) is None]


def _look_up(missing: list[generation.Generated], spaces: dict[str, Space], view: str, place: DeltaGenerator) -> None:
    """With a bar, whose every step is also a moment at which Streamlit lets a newer wish of the user break in."""
    with place, chrome.guard():
        bar = st.progress(0.0, "Looking up the nearest real images ...")
        try:
            for number, each in enumerate(missing):
                for share in nearest_real.look_up(spaces[each.run.id], each):
                    bar.progress((number + share) / len(missing), "Looking up the nearest real images ...")
        except Exception:
            st.session_state[_FAILED] = view  # or it would be tried again and again
            raise
        st.rerun()


def _star(film: Film, shown: list[tuple[generation.SyntheticImage, ...]]) -> None:
    """What the browser says is starred, unless it speaks of pictures that are no longer shown."""
    message = st.session_state[KEY].starred
    if isinstance(message, dict) and message.get("view") == film.view and isinstance(message.get("columns"), list):
        columns = [column for column in message["columns"] if isinstance(column, int) and not isinstance(column, bool)]
        stars.change(shown, [column for column in columns if 0 <= column < len(shown) and film.can_star[column]])


def downloads(generated: generation.Generated, name: str) -> None:
    """Buttons that save the pictures as one file; ``name`` is that of the file, without its ending."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for suffix, (label, mime) in _FORMATS.items():
            st.download_button(
                label, lambda suffix=suffix: generation.animation(generated, suffix), f"{name}{suffix}", mime,
                key=f"download{suffix}", icon=":material/download:", on_click="ignore",
            )  # fmt: skip
        st.caption("Each file says inside which generator, seeds and settings it comes from, and that it is synthetic.")
