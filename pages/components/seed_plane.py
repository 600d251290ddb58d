"""The seed plane: a picture and a map, on both of which a point is dragged, while the server generates (seed_plane.js)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from streamlit.components.v2 import component

from pages.components import pictures
from pages.components.filmstrip import Frame, Real

_folder = Path(__file__).parent
_component = component(
    "gan_aug_seed_plane",
    html=(_folder / "seed_plane.html").read_text(encoding="utf-8"),
    css="\n".join((_folder / name).read_text(encoding="utf-8") for name in ("filmstrip.css", "seed_plane.css")),
    js=(_folder / "seed_plane.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Plane:
    """A point and its picture."""

    view: str  # changes with the generator and the class
    x: float
    y: float
    most: int  # x and y go from 0 to this
    stride: int  # seed = x + stride * y
    picture: Frame
    label: str
    note: str
    caption: str  # where the point lies, in words
    resolution: int  # native side [px]
    corners: dict[str, str]  # seed -> data URI, of the seeds around
    starred: bool
    compares: bool  # whether nearest real images are asked for
    real: Real | None  # None while the point moves
    reply: int  # number of the wish that is answered


def show(plane: Plane, key: str, on_move: Callable[[], None], on_star: Callable[[], None]) -> None:
    """Put the plane on the page.

    ``on_move`` is called when the point was moved; ``st.session_state[key].point`` then holds x, y, whether it rests, and a number, which
    is to be sent back as ``reply``. ``on_star`` is called when it was starred or a star was taken back (``st.session_state[key].star``).
    """
    pictures.never_dim(key)
    _component(key=key, data=asdict(plane), on_point_change=on_move, on_star_change=on_star)
