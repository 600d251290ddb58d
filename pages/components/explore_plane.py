"""The seed plane: two numbers that mean a picture, between seeds too, moved by dragging."""

import math
from typing import Any

import streamlit as st

from gan_aug.errors import UserError
from gan_aug.nearest import Space
from gan_aug.records import Checkpoint, Run, SyntheticImage
from pages.components import chrome, generation, generators, nearest_real, seed_plane, stars
from pages.components.seed_plane import Plane

KEY = "plane"
MOST = 999  # of x and y
STRIDE = 1000  # seed = x + STRIDE * y, see latent.plane

_REPLY, _RESTS = "plane_reply", "plane_rests"


def mode(found: dict[str, Run]) -> None:
    """The whole mode, below the notes."""
    run, checkpoint, class_name = generators.pick(found)
    generation.prepare([checkpoint])
    place = st.container()
    space = None
    if nearest_real.asked():
        here = generation.plane_point(run, checkpoint, 0.0, 0.0, class_name)
        try:
            space = nearest_real.panel([here]).get(run.id)
        except UserError as error:
            nearest_real.unavailable(error)
    with place:
        _plane(run, checkpoint, class_name, space)


@st.fragment
@chrome.guard()
def _plane(run: Run, checkpoint: Checkpoint, class_name: str | None, space: Space | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        x, y = _coordinate("x", 3.5), _coordinate("y", 0.5)
        st.caption(f"Whole numbers are seeds: seed = x + {STRIDE} y. Between them, the four seeds around are blended along the sphere.")
    generated = generation.plane_point(run, checkpoint, x, y, class_name)
    (name,) = generated.names
    view = f"{checkpoint.id} {class_name}"
    plane = Plane(
        view=view,
        x=x,
        y=y,
        most=MOST,
        stride=STRIDE,
        picture=generated.row.frames[0],
        label=generated.row.label,
        note=generated.row.note,
        caption=caption(x, y),
        resolution=generated.row.resolution,
        corners=_corners(run, checkpoint, x, y, class_name),
        starred=name is not None and name in stars.starred(),
        compares=space is not None,
        real=_real(space, generated) if space and st.session_state.get(_RESTS, True) else None,
        reply=st.session_state.get(_REPLY, 0),
    )
    seed_plane.show(plane, KEY, lambda: _move(view), lambda: _star(view, checkpoint, class_name or run.class_name))
    stars.panel()


def _coordinate(name: str, default: float) -> float:
    """One of the two numbers, held in the address."""
    if name not in st.session_state:  # as after a reload
        st.session_state[name] = in_address(st.query_params.get(name), default)
    value = round(float(st.number_input(name, 0.0, float(MOST), step=0.05, key=name, width=160)), 2)
    if st.query_params.get(name) != f"{value:g}":
        st.query_params[name] = f"{value:g}"
    return value


def in_address(text: str | None, default: float) -> float:
    """A coordinate as the address gives it; ``default`` where it gives none, or one that is not on the plane."""
    try:
        value = round(float(text or ""), 2)
    except ValueError:
        return default
    return value if 0 <= value <= MOST else default


def caption(x: float, y: float) -> str:
    """Where a point lies, in words."""
    seed = round(x) + STRIDE * round(y)
    return f"seed {seed}" if _whole(x, y) else f"between seeds at x {x:.2f}, y {y:.2f}, nearest to seed {seed}"


def _whole(x: float, y: float) -> bool:
    return float(x).is_integer() and float(y).is_integer()


def _corners(run: Run, checkpoint: Checkpoint, x: float, y: float, class_name: str | None) -> dict[str, str]:
    """The pictures of the seeds around; on an edge of the map's squares, of those on both sides."""
    columns, rows = (range(math.floor(value) - float(value).is_integer(), math.floor(value) + 2) for value in (x, y))
    seeds = [column + STRIDE * row for row in rows if 0 <= row <= MOST + 1 for column in columns if 0 <= column <= MOST + 1]
    return {str(seed): generation.seed_picture(run, checkpoint, seed, class_name).row.frames[0].src for seed in seeds}


def _real(space: Space, generated: generation.Generated) -> Any:
    if nearest_real.known(space, generated) is None:
        for _ in nearest_real.look_up(space, generated):
            pass
    (found,) = nearest_real.known(space, generated)
    return found


def _move(view: str) -> None:
    """Take over where the browser has moved the point to."""
    message = st.session_state[KEY].point
    if point := read(message, view):
        st.session_state["x"], st.session_state["y"] = point
        st.session_state[_RESTS] = bool(message.get("rest"))
    if isinstance(message, dict) and isinstance(message.get("number"), int):
        st.session_state[_REPLY] = message["number"]


def read(message: Any, view: str) -> tuple[float, float] | None:
    """The point that a message of the browser means, or None if it means none of this view."""
    if not isinstance(message, dict) or message.get("view") != view:
        return None
    values = [message.get("x"), message.get("y")]
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST for value in values):
        return None
    return round(float(values[0]), 2), round(float(values[1]), 2)


def _star(view: str, checkpoint: Checkpoint, class_name: str | None) -> None:
    message = st.session_state[KEY].star
    point = read(message, view)
    if point and _whole(*point):
        image = SyntheticImage(checkpoint.id, int(point[0]) + STRIDE * int(point[1]), class_name)
        stars.change([(image,)], [0] if message.get("on") else [])
