"""What one browser tab is judging: a batch, the selection of its images, and the page that is open."""

import io
from typing import Any

from PIL import Image

from gan_aug import files, store
from gan_aug.store import ReviewCase
from pages.components.pictures import data_uri
from pages.components.review_grid import PAGE_SIZE, Grid, Tile, save_events

SHOWS = {"all": "All", "undecided": "Undecided", "accept": "Accepted", "reject": "Rejected", "unsure": "Unsure"}


class Desk:
    """The server's side of the review grid.

    The list of images is fixed when a selection is made, so that no image moves away under the cursor once it is judged.

    Parameters
    ----------
    batch, reviewer : str
    show : str
        A key of :data:`SHOWS`.
    """

    def __init__(self, batch: str, reviewer: str, show: str):
        self.batch, self.reviewer, self.show = batch, reviewer, show
        self.cases = {case.image: case for case in store.cases(batch)}
        self.resolution = next((size for case in self.cases.values() if (size := _side(case))), 64)
        self.selections = 0
        self.answer: dict[str, Any] = {}
        self.open()
        self._select()

    @property
    def view(self) -> str:
        """Names the pictures that are to be shown."""
        return f"{self.batch}/{self.reviewer}/{self.show}/{self.selections}/{self.page}"

    def open(self) -> None:
        """Get ready for a browser that has nothing yet: a new tab, or one that was loaded again."""
        self.held: str | None = None  # the view whose pictures the browser has
        self._read_decisions()
        self.log = [
            {"id": review.id, "image": review.image, "decision": review.decision, "reason": review.reason}
            for review in store.review_history(self.batch)
            if review.reviewer == self.reviewer
        ]

    def take(self, message: dict[str, Any]) -> None:
        """Store the events of a message from the browser, and turn the page if it asks for that.

        When the database cannot be used the answer says so; the desk stays as it is, and the browser sends the events again.
        """
        saved, refused, error = save_events(message.get("events"))
        self.held = message.get("view")
        if error is None:
            try:
                self.open() if self.held is None else self._read_decisions()
            except store.DatabaseUnavailable as failure:
                saved, error = [], failure.what  # stored, but not seen to be: the browser sends them again, which does no harm
        self.answer = {"reply": message.get("id"), "saved": tuple(saved), "refused": tuple(refused), "error": error}
        wish = message.get("wish")
        if isinstance(wish, dict):
            self._turn(wish, error is None)

    def grid(self) -> Grid:
        """The open page, with pictures unless the browser has them."""
        tiles = None if self.held == self.view else [self._tile(image) for image in self._images_of_page()]
        return Grid(
            view=self.view,
            batch=self.batch,
            reviewer=self.reviewer,
            page=self.page,
            pages=self._pages(),
            total=len(self.cases),
            resolution=self.resolution,
            empty=f"No image is {SHOWS[self.show].lower()} now.",
            tiles=tiles,
            decisions=self.decisions,
            log=None if self.held or self.answer.get("error") else self.log,
            filtered=self.show != "all",
            target=self.target,
            **self.answer,
        )

    def _select(self) -> None:
        """Make the list anew from what is decided now, and open its first page."""
        self.images = [image for image in self.cases if self.show in ("all", self.decisions.get(image, ["undecided"])[0])]
        self.numbers = {image: number for number, image in enumerate(self.cases, start=1)}
        self.selections += 1
        self.page, self.target = 0, None

    def _read_decisions(self) -> None:
        self.decisions = {review.image: [review.decision, review.reason] for review in store.reviews_of(self.batch, self.reviewer)}

    def _turn(self, wish: dict[str, Any], readable: bool) -> None:
        page, image = wish.get("page"), wish.get("image")
        if wish.get("again") and readable:
            self._select()
        elif image in self.images:
            self.page, self.target = self.images.index(image) // PAGE_SIZE, image
        elif isinstance(page, int) and 0 <= page < self._pages():
            self.page, self.target = page, None

    def _pages(self) -> int:
        return max(1, -(-len(self.images) // PAGE_SIZE))

    def _images_of_page(self) -> list[str]:
        return self.images[self.page * PAGE_SIZE : (self.page + 1) * PAGE_SIZE]

    def _tile(self, image: str) -> Tile:
        case = self.cases[image]
        content = _picture(case)
        origin = case.synthetic
        label = f"seed {origin.seed}" + (f", {origin.class_name}" if origin.class_name else "") if origin else ""
        return Tile(image, self.numbers[image], label, data_uri(content) if content else None)


def _picture(case: ReviewCase) -> bytes | None:
    """The very bytes that belong to the case, or None if the file is gone or was changed."""
    try:
        content = case.path.read_bytes()
    except OSError:
        return None
    return content if files.sha256_bytes(content) == case.sha256 else None


def _side(case: ReviewCase) -> int | None:
    content = _picture(case)
    return Image.open(io.BytesIO(content)).width if content else None
