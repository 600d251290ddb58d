"""The filmstrip: generated pictures that scrub and play in the browser, without asking the server (filmstrip.js)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from streamlit.components.v2 import component

from pages.components import pictures

_folder = Path(__file__).parent
_component = component(
    "gan_aug_filmstrip",
    html=(_folder / "filmstrip.html").read_text(encoding="utf-8"),
    css=(_folder / "filmstrip.css").read_text(encoding="utf-8"),
    js=(_folder / "filmstrip.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Frame:
    """One picture."""

    src: str  # data URI of a PNG that carries its provenance
    name: str  # file name under which it is saved


@dataclass(frozen=True)
class Real:
    """The training image that is nearest to a picture."""

    src: str  # data URI
    name: str  # its id in the dataset
    distance: str  # how near, as it is printed
    words: str  # the same in a sentence, with the yardstick


@dataclass(frozen=True)
class Row:
    """The pictures of one generator."""

    label: str
    note: str  # what else must be said under the picture
    resolution: int  # native side [px]
    frames: tuple[Frame, ...]
    reals: tuple[Real, ...] | None = None  # under each picture; None: not asked for, or not known yet


@dataclass(frozen=True)
class Film:
    """Rows of pictures of one length.

    The layout ``film`` is for walks and comparisons: a stage with one picture of each row, and the strip below. ``browse`` is for
    one row of unrelated pictures: a stage beside a wall. ``still`` is a stage alone, with a single picture in each row.
    """

    view: str  # changes whenever other pictures are to be shown
    layout: Literal["film", "browse", "still"]
    rows: tuple[Row, ...]
    captions: tuple[str, ...]  # one per column, said of the picture on the stage
    marks: tuple[str, ...]  # one per column, short, printed under the small picture; may be empty
    can_star: tuple[bool, ...]  # one per column: whether a review batch can hold its pictures
    start: int = 0  # the column that is on the stage at first
    starred: tuple[int, ...] = ()  # columns


def show(film: Film, key: str, on_star: Callable[[], None]) -> None:
    """Put the filmstrip on the page.

    ``on_star`` is called when somebody has starred a column or taken a star back; ``st.session_state[key].starred`` then holds the view
    and all starred columns, so that of several quick changes the last one is enough.
    """
    pictures.never_dim(key)
    _component(key=key, data=asdict(film), on_starred_change=on_star)
