"""What of a batch is shown in the grid, and in which order: widgets whose values stand in the address."""

from typing import Any

import streamlit as st

from gan_aug import store
from pages.components import address, chrome
from pages.components.review_desk import ALIKE, SHARES, SHOWS, SORTS, Desk
from pages.components.review_reader import Reader


def select(desk: Desk | None, batch: str, reader: Reader) -> Desk:
    """The desk for what is chosen: the one that is there, if it was made for the same."""
    cases = desk.cases.values() if desk is not None and desk.batch == batch else store.cases(batch)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = address.pick(st.segmented_control, "Show", list(SHOWS), key="show", format_func=SHOWS.get)
        sort = address.pick(st.selectbox, "Order", list(SORTS), key="sort", width=290, format_func=lambda key: SORTS[key][0])
        share = "100"
        if sort != "made":
            share = address.pick(st.selectbox, "Of these", list(SHARES), key="share", width=150, format_func=SHARES.get)
        alike = "one"
        if any((case.facts or {}).get("alike") for case in cases):
            alike = address.pick(st.segmented_control, "Near-duplicates", list(ALIKE), key="alike", format_func=ALIKE.get)
    chosen = (batch, reader.name, reader.logged_in, show, sort, share, alike)
    if desk is None or desk.choice != chosen:
        page = (address.whole_number(st.query_params.get("page", "")) or 1) - 1 if desk is None else 0
        desk = Desk(batch, reader.name, show, sort, share, alike, page, reader.logged_in)
    if sort != "made":
        st.caption(_about(desk, sort))
    return desk


def _about(desk: Desk, sort: str) -> str:
    """Of how many images the value is known by which they are ordered, its range, and where it comes from."""
    values = list(desk.known(sort).values())
    if sort == "disagreement":
        if not values:
            return "Not known yet: an image counts once you and another reader have decided on it."
        return f"Known of the {len(values)} images on which you and another reader have decided; others' words stay hidden until then."
    settings = store.batch(desk.batch).settings
    extractor = settings.get("extractor")
    if not values:
        return f"Not known: {_why_unknown(sort, settings)} The order is as generated."
    source = "Logit of the run's own discriminator" if sort == "d_score" else f"Distance through {chrome.plain(extractor or '')}"
    return f"{source}, known of {len(values)} of {len(desk.cases)} images: {min(values):.3g} to {max(values):.3g}."


def _why_unknown(sort: str, settings: dict[str, Any]) -> str:
    if sort == "d_score":
        return "its run has no discriminator's weights."
    if settings.get("extractor") is None:
        return "the batch was made without an extractor."
    why = settings.get("nearest_unknown") if sort == "nearest_real" else None
    return f"the training images were not at hand. {chrome.plain(why)}" if why else "there is nothing to compare with."
