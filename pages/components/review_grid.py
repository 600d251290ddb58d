"""The review grid: the browser's part (review_grid.js says how no decision is lost), and the storing of what the browser sends."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from gan_aug import store
from gan_aug.errors import UserError
from gan_aug.records import Review
from pages.components import pictures

PAGE_SIZE = 60  # images on one page of the grid

# What is wrong with a rejected image: code as stored, word as shown, meaning. The keys 1 to 6 follow this order.
REASONS = (
    ("pattern", "Pattern", "Grid, stripes or a repeated texture that no skin has"),
    ("blur", "Blurred", "No structure that could be judged"),
    ("colour", "Colour", "Colours that no lesion or skin has"),
    ("shape", "Shape", "A lesion torn, doubled or of an impossible outline"),
    ("no-lesion", "No lesion", "No lesion in the picture"),
    ("copy", "Copy", "The same as another image of the batch"),
)
REASON_CODES = tuple(code for code, _, _ in REASONS)
DECISIONS = store.reviews.DECISIONS["curate"]

_folder = Path(__file__).parent
_component = component(
    "gan_aug_review_grid",
    html=(_folder / "review_grid.html").read_text(encoding="utf-8"),
    css=(_folder / "review_grid.css").read_text(encoding="utf-8"),
    js=(_folder / "review_grid.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Tile:
    """One image of the page."""

    id: str  # opaque name within the batch
    number: int  # place in the batch, from 1
    label: str  # what may be said of it
    src: str | None  # data URI, or None where the file is missing


@dataclass(frozen=True)
class Grid:
    """Everything that the browser needs to show one page of a batch."""

    view: str  # changes whenever other images are to be shown
    batch: str
    reviewer: str
    page: int  # from 0
    pages: int
    total: int  # images in the batch
    resolution: int  # native side of the images [px]
    empty: str  # what to say where there are no tiles
    tiles: list[Tile] | None  # None: the browser has them already
    decisions: dict[str, list[str | None]]  # image -> [decision, reason], of the whole batch
    log: list[dict[str, Any]] | None = None  # every decision of this reviewer, for undo: id, image, decision, reason; at the beginning only
    filtered: bool = False  # the list is a selection that can be made anew
    target: str | None = None  # the image on which the cursor shall stand
    reply: str | None = None  # the message that is answered
    saved: tuple[str, ...] = ()  # events that are in the database
    refused: tuple[str, ...] = ()  # events that cannot be stored, however often they are sent
    error: str | None = None  # why nothing could be saved at this time
    reasons: tuple[tuple[str, str, str], ...] = REASONS


def show(grid: Grid, key: str, on_message: Callable[[], None]) -> None:
    """Put the grid on the page; ``on_message`` is called when the browser has sent something (``st.session_state[key].message``)."""
    pictures.never_dim(key)
    _component(key=key, data=asdict(grid), on_message_change=on_message)


def save_events(events: Any) -> tuple[list[str], list[str], str | None]:
    """Store what the browser sent.

    Parameters
    ----------
    events : anything
        A list of dicts if it is well formed. They may belong to several batches and reviewers: a tab that was closed in haste leaves
        events behind, which the next grid sends.

    Returns
    -------
    saved : list of str
        Ids of the events that are in the database now.
    refused : list of str
        Ids of the events that can never be stored: malformed, of an unknown image, or of a closed batch.
    error : str or None
        Why nothing could be stored at this time; the browser keeps all other events and sends them again.
    """
    reviews, refused = read_events(events)
    try:
        store.add_reviews(reviews)
        return [review.id for review in reviews], refused, None
    except store.DatabaseUnavailable as error:
        return [], refused, error.what
    except UserError:
        pass  # one of them cannot be stored; find out which, so that the others are
    saved = []
    for review in reviews:
        try:
            store.add_reviews([review])
            saved.append(review.id)
        except store.DatabaseUnavailable as error:
            return saved, refused, error.what
        except UserError:
            refused.append(review.id)
    return saved, refused, None


def read_events(events: Any) -> tuple[list[Review], list[str]]:
    """The reviews that the events describe, in their order, and the ids of those that describe none."""
    reviews, refused = [], []
    for event in events if isinstance(events, list) else []:
        review = _read_event(event)
        if review is not None:
            reviews.append(review)
        elif isinstance(event, dict) and isinstance(event.get("id"), str):
            refused.append(event["id"])
    return reviews, refused


def _read_event(event: Any) -> Review | None:
    if not isinstance(event, dict):
        return None
    texts = [event.get(name) for name in ("id", "batch", "reviewer", "image", "created")]
    decision, reason, seconds = event.get("decision"), event.get("reason"), event.get("seconds")
    good = (
        all(isinstance(text, str) for text in texts)
        and decision in (*DECISIONS, None)
        and (reason is None or (decision == "reject" and reason in REASON_CODES))
        and isinstance(seconds, (int, float))
    )
    if not good:
        return None
    identity, batch, reviewer, image, created = texts
    return Review(identity, batch, reviewer, image, decision, reason, None, seconds, created)
