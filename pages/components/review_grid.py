"""The browser's part of a review: the grid, and the blind reading (review_queue.js says how no decision is lost)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from pages.components import keys, pictures
from pages.components.review_events import REASON_CODES, REASONS, SCALE

__all__ = ["PAGE_SIZE", "REASONS", "REASON_CODES", "SCALE", "Grid", "Tile", "show"]

PAGE_SIZE = 60  # images on one page of the grid

_folder = Path(__file__).parent


def _text(*names: str) -> str:
    return "\n".join((_folder / name).read_text(encoding="utf-8") for name in names)


def _html(name: str, place: str) -> str:
    """The markup of a panel, with the dialogs that both have and the list of its own keys."""
    dialogs = _text("review_dialogs.html").replace("<!-- keys -->", keys.rows(place))
    return _text(name).replace("<!-- dialogs -->", dialogs)


_grid = component(
    "gan_aug_review_grid",
    html=_html("review_grid.html", "Review"),
    css=_text("review_grid.css"),
    js=_text("review_queue.js", "review_base.js", "review_grid.js"),
)
_blind = component(
    "gan_aug_review_blind",
    html=_html("review_blind.html", "Review, blind"),
    css=_text("review_grid.css"),
    js=_text("review_queue.js", "review_base.js", "review_blind.js"),
)


@dataclass(frozen=True)
class Tile:
    """One image of the page."""

    id: str  # opaque name within the batch
    number: int  # place in the batch, or in the reader's order of a blind one, from 1
    label: str  # what may be said of it: nothing in a blind batch
    src: str | None  # data URI, or None where the file is missing
    alike: int = 1  # images of which this one stands for all, itself included


@dataclass(frozen=True)
class Grid:
    """Everything that the browser needs to show one page of a batch."""

    view: str  # changes whenever other images are to be shown
    batch: str
    reviewer: str
    page: int  # from 0
    pages: int
    total: int  # images to be judged
    resolution: int  # native side of the images [px]
    empty: str  # what to say where there are no tiles
    tiles: list[Tile] | None  # None: the browser has them already
    decisions: dict[str, list[Any]]  # image -> [decision, reason or confidence], of all images that are to be judged
    log: list[dict[str, Any]] | None = None  # every decision of this reviewer, for undo; at the beginning only
    filtered: bool = False  # the list is a selection that can be made anew
    target: str | None = None  # the image on which the cursor shall stand
    resume: bool = False  # or the first one after it that is not answered
    ahead: list[Tile] | None = None  # the images of the next page, sent along with those of this one
    exclusive: bool = False  # the reviewer is logged in: what others left in this browser waits for them
    others: dict[str, list[int]] = field(default_factory=dict)  # image that is decided -> others who accept, reject, are unsure
    reply: str | None = None  # the message that is answered
    saved: tuple[str, ...] = ()  # events that are in the database
    refused: tuple[str, ...] = ()  # events that cannot be stored, however often they are sent
    error: str | None = None  # why nothing could be saved at this time
    reasons: tuple[tuple[str, str, str], ...] = REASONS
    scale: tuple[str, ...] = SCALE


def show(grid: Grid, key: str, on_message: Callable[[], None], blind: bool = False) -> None:
    """Put the grid on the page; ``on_message`` is called when the browser has sent something (``st.session_state[key].message``)."""
    pictures.never_dim(key)
    data = vars(grid) | {name: tiles and [vars(tile) for tile in tiles] for name, tiles in (("tiles", grid.tiles), ("ahead", grid.ahead))}
    (_blind if blind else _grid)(key=key, data=data, on_message_change=on_message)  # asdict would copy each of thousands of decisions
