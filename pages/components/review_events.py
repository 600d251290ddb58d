"""What a browser says that a reviewer has decided: looked at with suspicion, and stored."""

from typing import Any

from gan_aug import store
from gan_aug.errors import UserError
from gan_aug.records import Review

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

# How sure a blind reader is, by the keys 1 to 5.
SCALE = ("Surely real", "Probably real", "Cannot tell", "Probably synthetic", "Surely synthetic")
_MEANT = {1: "real", 2: "real", 3: "unsure", 4: "synthetic", 5: "synthetic"}

_DECISIONS = {decision for decisions in store.reviews.DECISIONS.values() for decision in decisions}


def save_events(events: Any, only: str | None = None) -> tuple[list[str], list[str], str | None]:
    """Store what the browser sent.

    Parameters
    ----------
    events : anything
        A list of dicts if it is well formed. They may belong to several batches and reviewers: a tab that was closed in haste leaves
        events behind, which the next grid sends.
    only : str, optional
        The reviewer who is logged in: what claims to come from another is left alone, neither stored nor refused.

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
    reviews = [review for review in reviews if only in (None, review.reviewer)]
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
    decision, reason, confidence = event.get("decision"), event.get("reason"), event.get("confidence")
    seconds = event.get("seconds")
    good = (
        all(isinstance(text, str) for text in texts)
        and (decision is None or (isinstance(decision, str) and decision in _DECISIONS))
        and (reason is None or (decision == "reject" and reason in REASON_CODES))
        and (confidence is None or (isinstance(confidence, int) and _MEANT.get(confidence) == decision))
        and (confidence is not None or decision not in ("real", "synthetic"))
        and isinstance(seconds, (int, float))
    )
    if not good:
        return None
    identity, batch, reviewer, image, created = texts
    return Review(identity, batch, reviewer, image, decision, reason, confidence, seconds, created)
