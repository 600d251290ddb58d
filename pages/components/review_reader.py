"""Who reads: the person whom the log-in names, or, where none is configured, a name that is typed and believed."""

import dataclasses

import streamlit as st

from pages.components import visitors


@dataclasses.dataclass(frozen=True)
class Reader:
    """Under whose name decisions are stored."""

    name: str
    logged_in: bool  # whether a log-in vouches for the name


def identify() -> Reader | None:
    """Who reads; where no log-in is configured, draws the field for a name. None while nobody is named."""
    return _by_name() if visitors.providers() is None else Reader(visitors.name(), logged_in=True)


def _by_name() -> Reader | None:
    name = st.text_input(
        "Your name", key="reviewer", bind="query-params", max_chars=100, placeholder="Name or initials", width=220,
        help="A label for your decisions, kept in the address of this page. It is no security: anybody could write it. "
        "For a log-in, configure [auth] in the app's secrets.",
    ).strip()  # fmt: skip
    return Reader(name, logged_in=False) if name and name.isprintable() else None
