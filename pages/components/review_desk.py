"""What one browser tab is judging: a batch, the selection of its images, and the page that is open."""

import collections
import contextlib
import dataclasses
import io
from typing import Any

from PIL import Image

from gan_aug import files, reviews, store
from gan_aug.records import Review
from gan_aug.store import ReviewCase
from pages.components.pictures import data_uri
from pages.components.review_events import save_events
from pages.components.review_grid import PAGE_SIZE, Grid, Tile

SHOWS = {"all": "All", "undecided": "Undecided", "accept": "Accepted", "reject": "Rejected", "unsure": "Unsure"}

# Orders of a batch to be curated: label, and whether large values come first. Images of which the value is not known come last.
SORTS = {
    "made": ("As generated", False),
    "nearest_real": ("Nearest to a real image first", False),
    "d_score": ("Least real to the discriminator first", False),
    "uniqueness": ("Least unique first", False),
    "disagreement": ("Most disputed first", True),
}
SHARES = {"100": "All images", "50": "First half", "25": "First quarter", "10": "First tenth"}
ALIKE = {"one": "One of each", "all": "All"}

_PAGE_BYTES = 2_000_000  # of the pictures of a page of a blind reading; those of two pages are sent at a time


class Desk:
    """The server's side of the review grid.

    The list of images is fixed when a selection is made, so that no image moves away under the cursor once it is judged.

    Parameters
    ----------
    batch, reviewer : str
    show : str
        A key of :data:`SHOWS`.
    sort, share, alike : str
        Keys of :data:`SORTS`, :data:`SHARES` and :data:`ALIKE`.
    page : int
        Page to be opened first, from 0.
    exclusive : bool
        Whether the reviewer is logged in, so that decisions in other names are not taken.
    """

    blind = False

    def __init__(
        self,
        batch: str,
        reviewer: str,
        show: str = "all",
        sort: str = "made",
        share: str = "100",
        alike: str = "one",
        page: int = 0,
        exclusive: bool = False,
    ):
        self.batch, self.reviewer, self.exclusive = batch, reviewer, exclusive
        self.show, self.sort, self.share, self.alike = show, sort, share, alike
        self.cases = {case.image: case for case in reviews.reading_order(store.batch(batch), reviewer)}
        self.numbers = {image: number for number, image in enumerate(self.cases, start=1)}
        self.resolution = next((size for case in self.cases.values() if (size := _side(case))), 64)
        self.page_size = PAGE_SIZE
        self.selections = 0
        self.answer: dict[str, Any] = {}
        self.beside: dict[str, dict[str, int]] = {}  # what others say of the images of this page
        self.page, self.target = 0, None
        self.open()
        self._select()
        self.page = min(max(0, page), self._pages() - 1)

    @property
    def choice(self) -> tuple[Any, ...]:
        """What it was made for; another choice needs another desk."""
        return self.batch, self.reviewer, self.exclusive, self.show, self.sort, self.share, self.alike

    @property
    def view(self) -> str:
        """Names the pictures that are to be shown."""
        return "/".join(map(str, (*self.choice, self.selections, self.page)))

    def open(self) -> None:
        """Get ready for a browser that has nothing yet: a new tab, or one that was loaded again."""
        self.held: str | None = None  # the view whose pictures the browser has
        self._read_decisions()
        self._read_others()
        self.log = [
            {"id": review.id, "image": review.image, "decision": review.decision, "reason": review.reason, "confidence": review.confidence}
            for review in sorted(store.review_history(self.batch, self.reviewer), key=lambda review: review.order)
        ]

    def take(self, message: dict[str, Any]) -> None:
        """Store the events of a message from the browser, and turn the page if it asks for that.

        When the database cannot be used the answer says so; the desk stays as it is, and the browser sends the events again.
        """
        saved, refused, error = save_events(message.get("events"), self.reviewer if self.exclusive else None)
        self.held = message.get("view")
        wish = message.get("wish") if isinstance(message.get("wish"), dict) else {}
        if error is None:
            try:
                self.open() if self.held is None else self._read_decisions()
                if wish.get("again"):
                    self._read_others()
            except store.DatabaseUnavailable as failure:
                saved, error = [], failure.what  # stored, but not seen to be: the browser sends them again, which does no harm
        self.answer = {"reply": message.get("id"), "saved": tuple(saved), "refused": tuple(refused), "error": error}
        if wish:
            self._turn(wish, error is None)

    def grid(self) -> Grid:
        """The open page, with pictures unless the browser has them."""
        tiles = None if self.held == self.view else [self._tile(image) for image in self._images_of_page()]
        counted = set(self.counted)
        return Grid(
            view=self.view,
            batch=self.batch,
            reviewer=self.reviewer,
            page=self.page,
            pages=self._pages(),
            total=len(self.counted),
            resolution=self.resolution,
            empty=f"No image is {SHOWS[self.show].lower()} now." if self.show != "all" else "This is known of no image yet.",
            tiles=tiles,
            decisions={image: said for image, said in self.decisions.items() if image in counted},
            log=None if self.held or self.answer.get("error") else self.log,
            filtered=self.show != "all",
            target=self.target,
            exclusive=self.exclusive,
            others={} if self.blind else self._others(),
            **self.answer,
        )

    # --- the list ------------------------------------------------------------------------------------------------------------------------

    def known(self, sort: str) -> dict[str, float]:
        """The value by which ``sort`` orders, of the images of which it is known.

        How disputed an image is shows what others said of it, so it is known only of images that this reviewer has decided on.
        """
        if sort == "disagreement":
            return {image: disputed(self.others[image], said) for image, (said, _) in self.decisions.items() if image in self.others}
        return {image: value for image, case in self.cases.items() if (value := (case.facts or {}).get(sort)) is not None}

    def alike_of(self, image: str) -> str:
        """The name of the group of near-duplicates that an image belongs to; its own where there are none."""
        return (self.cases[image].facts or {}).get("alike") or image

    def _select(self) -> None:
        """Make the list anew from what is decided now, and open its first page."""
        self.counted = self._counted()
        self.images = [image for image in self.counted if self.show in ("all", self.decisions.get(image, ["undecided"])[0])]
        self.selections += 1
        self.page, self.target = 0, None

    def _counted(self) -> list[str]:
        """The images that are to be judged, in the order of the sort: the share that was chosen, and one of each group."""
        images = list(self.cases)
        if self.sort != "made":
            values = self.known(self.sort)
            sign = -1 if SORTS[self.sort][1] else 1
            images.sort(key=lambda image: (image not in values, sign * values.get(image, 0.0)))
            if self.share != "100":
                of_known = [image for image in images if image in values]
                images = of_known[: -(-len(of_known) * int(self.share) // 100)]
        self.members = collections.Counter(self.alike_of(image) for image in images)
        if self.alike == "all":
            return images
        shown: dict[str, str] = {}
        for image in images:  # of a group, one that is decided stands for all, else the first
            group = self.alike_of(image)
            if group not in shown or (image in self.decisions and shown[group] not in self.decisions):
                shown[group] = image
        return [image for image in images if shown[self.alike_of(image)] == image]

    def _read_decisions(self) -> None:
        """What this reviewer says now. It is read at every key, so what others say is not, but for the page that is shown."""
        found = store.reviews_of(self.batch, self.reviewer)
        self.decisions: dict[str, list[Any]] = {review.image: [review.decision, self._detail(review)] for review in found}

    def _read_others(self) -> None:
        """What others say of all images, where the list is ordered by that; read again when the list is made anew."""
        self.others: dict[str, dict[str, int]] = store.tally(self.batch, self.reviewer) if self.sort == "disagreement" else {}

    def _detail(self, review: Review) -> Any:
        return review.reason

    def _others(self) -> dict[str, list[int]]:
        """How many others accept, reject or are unsure of the images of this page that this reviewer has decided on."""
        decided = {image for image in self._images_of_page() if image in self.decisions}
        if not self.answer.get("error"):
            with contextlib.suppress(store.DatabaseUnavailable):  # the next decision will tell; the last known is shown till then
                self.beside = store.tally(self.batch, self.reviewer, decided) if decided else {}
        return {
            image: [said.get(decision, 0) for decision in store.reviews.DECISIONS["curate"]]
            for image, said in self.beside.items()
            if image in decided
        }

    def _turn(self, wish: dict[str, Any], readable: bool) -> None:
        page, image = wish.get("page"), wish.get("image")
        if wish.get("again") and readable:
            self._select()
        elif image in self.images:
            self.page, self.target = self.images.index(image) // self.page_size, image
        elif isinstance(page, int) and 0 <= page < self._pages():
            self.page, self.target = page, None

    def _pages(self) -> int:
        return max(1, -(-len(self.images) // self.page_size))

    def _images_of_page(self) -> list[str]:
        return self.images[self.page * self.page_size : (self.page + 1) * self.page_size]

    def _tile(self, image: str) -> Tile:
        case = self.cases[image]
        content = _picture(case)
        alike = self.members[self.alike_of(image)] if self.alike == "one" else 1
        return Tile(image, self.numbers[image], self._label(case), data_uri(content) if content else None, alike)

    def _label(self, case: ReviewCase) -> str:
        origin, facts = case.synthetic, case.facts or {}
        parts = [f"seed {origin.seed}", origin.class_name] if origin else []
        if facts.get("nearest_real") is not None:
            parts.append(f"nearest real at {facts['nearest_real']:.3g}")
        if facts.get("d_score") is not None:
            parts.append(f"D score {facts['d_score']:.2f}")
        return ", ".join(part for part in parts if part)


class BlindDesk(Desk):
    """The server's side of the blind reading: the pictures in the reader's own order, and nothing that tells one from another."""

    blind = True

    def __init__(self, batch: str, reviewer: str, exclusive: bool = False):
        super().__init__(batch, reviewer, exclusive=exclusive)
        encoded = 4 * self.resolution**2  # three bytes a pixel, and four characters for three bytes
        self.page_size = max(8, min(PAGE_SIZE, _PAGE_BYTES // encoded))
        self._resume()

    def open(self) -> None:
        super().open()
        if self.selections:
            self._resume()

    def grid(self) -> Grid:
        grid = super().grid()
        following = self.images[(self.page + 1) * self.page_size : (self.page + 2) * self.page_size]
        ahead = None if grid.tiles is None else [self._tile(image) for image in following]
        return dataclasses.replace(grid, resume=self.resume, ahead=ahead)

    def _resume(self) -> None:
        """Open where the reading was left: at the first picture without an answer, or behind the last."""
        waiting = [image for image in self.images if image not in self.decisions and self.cases[image].path.exists()]
        self.resume = True
        self.target = waiting[0] if waiting else None
        self.page = self.images.index(self.target) // self.page_size if waiting else self._pages() - 1

    def _turn(self, wish: dict[str, Any], readable: bool) -> None:
        before = self.page
        super()._turn(wish, readable)
        self.resume = False
        if self.page != before and self.target is None:
            there = self._images_of_page()
            self.target = there[0] if self.page > before else there[-1]

    def _detail(self, review: Review) -> Any:
        return review.confidence

    def _label(self, case: ReviewCase) -> str:
        return ""


def disputed(others: dict[str, int], own: str) -> float:
    """The share of readers who do not say what most say, 0 to 1; given how many others say what, and what one says oneself."""
    most = max(others.get(own, 0) + 1, *others.values())
    return 1 - most / (sum(others.values()) + 1)


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
