"""Directions: which way to move z so that a generator's pictures change most, along which to look, and which to give a name."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from gan_aug import store
from gan_aug.errors import InvalidValue
from gan_aug.records import Run
from gan_aug.store import Direction
from pages.components import address, chrome, film_view, generation, generators

TOP = 16  # directions offered, the strongest first
ROWS = 6  # of the overview
OVERVIEW = "overview"
NAMED = "name:"  # before the name of a saved direction in the address, where the others are numbers


def mode(found: dict[str, Run]) -> Callable[[], None] | None:
    """The whole mode, below the notes; returns what :func:`film_view.show` does."""
    run, checkpoint, class_name = generators.pick(found)
    generation.prepare([checkpoint])
    sefa = generation.found_directions(checkpoint)
    saved = {NAMED + direction.name: direction for direction in store.directions(run.id)}
    strongest = {str(number + 1): share for number, share in enumerate(shares(sefa.strengths)[:TOP])}
    choices = [*saved, *strongest, OVERVIEW]

    def label(choice: str) -> str:
        if choice == OVERVIEW:
            return f"The {ROWS} strongest, one below the other"
        return choice.removeprefix(NAMED) if choice in saved else f"Direction {choice}: {strongest[choice]:.1%} of the change"

    def way(choice: str) -> tuple[str, tuple[float, ...]]:
        if choice in saved:
            return saved[choice].name, saved[choice].vector
        return f"direction-{choice}", tuple(float(value) for value in sefa.vectors[int(choice) - 1])

    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = int(st.number_input("Seed", 0, 10**9, 3, key="seed", bind="query-params", width=160))
        choice = address.pick(st.selectbox, "Direction", choices, key="direction", what="direction", format_func=label, width=320)
        reach = st.slider(
            "Reach", 1.0, 12.0, 4.0, 0.5, key="reach", bind="query-params", width=220,
            help="How far to go to either side of the seed, in standard deviations of the generator's inputs. A seed itself lies "
            f"{np.sqrt(run.config['z_dim']):.0f} away from the mean; far beyond that, pictures fall apart.",
        )  # fmt: skip
        frames = int(st.slider("Steps", 5, 47, 21, 2, key="steps", bind="query-params", width=220))
    captions = [_position(seed, offset) for offset in np.linspace(-reach, reach, frames)]
    shown = list(strongest)[:ROWS] if choice == OVERVIEW else [choice]
    generated = [generation.along(run, checkpoint, seed, *way(each), float(reach), frames, class_name) for each in shown]
    if choice == OVERVIEW:
        generated = [generation.relabelled(each, label(name)) for name, each in zip(shown, generated, strict=True)]
    look_up = film_view.show("film", generated, captions, start=frames // 2)
    if choice in strongest:
        with chrome.guard():
            _name_it(run, way(choice)[1], choice, saved)
    if choice != OVERVIEW:
        film_view.downloads(generated[0], f"{checkpoint.id}-seed{seed}-{way(choice)[0]}")
    with st.expander("All directions", icon=":material/format_list_numbered:"):
        _table(sefa.strengths, sefa.vectors, list(saved.values()))
        st.caption(
            f"Read off the generator's weights: {sefa.layer} (SeFa, arXiv 2007.06600). A share is that of the squared change which a "
            "step of unit length makes in that layer's output, out of that of all directions together. It says how much changes, not "
            "what it means; names are given by people who looked."
        )
    return look_up


def shares(strengths: np.ndarray) -> np.ndarray:
    """Each direction's part of the squared change that all make together, (n,), summing to 1."""
    squares = np.square(strengths)
    return squares / max(squares.sum(), 1e-300)


def _position(seed: int, offset: float) -> str:
    if abs(offset) < 1e-9:
        return f"seed {seed}"
    return f"{abs(offset):.1f} {'beyond' if offset > 0 else 'before'} seed {seed}"


def _name_it(run: Run, vector: tuple[float, ...], number: str, saved: dict[str, Direction]) -> None:
    """A name for what one has seen happen; the direction is then offered under it, to everybody."""
    with st.form(f"name-{run.id}-{number}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name for what changes here", max_chars=60, width=320, placeholder="such as darker or larger").strip()
        sent = st.form_submit_button("Save under this name", icon=":material/bookmark_add:")
    if sent:
        if NAMED + name in saved:
            raise InvalidValue(f"There already is a direction {name!r} of {run.id}.", "Choose another name.")
        store.save_direction(run.id, name, list(vector))
        st.toast(f"Saved as {chrome.plain(name)}. It stands first in the list of directions.", icon=":material/bookmark_added:")
        st.rerun()


def _table(strengths: np.ndarray, vectors: np.ndarray, saved: list[Direction]) -> None:
    """The strongest directions with their names; a name belongs to the row whose direction it is, up to its sign."""
    named: dict[int, list[str]] = {}
    for direction in saved:
        likeness = np.abs(vectors @ np.array(direction.vector, np.float32)) / np.linalg.norm(direction.vector)
        if likeness.max() > 0.999:
            named.setdefault(int(likeness.argmax()), []).append(direction.name)
    count = min(TOP, len(strengths))
    st.dataframe(
        {
            "Direction": list(range(1, count + 1)),
            "Strength": [float(value) for value in strengths[:count]],
            "Share": [float(value) for value in shares(strengths)[:count]],
            "Name": [", ".join(named.get(row, [])) for row in range(count)],
        },
        column_config={
            "Strength": st.column_config.NumberColumn(format="%.3g", help="How far a step of unit length moves the layer's output."),
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=float(shares(strengths)[0])),
        },
        hide_index=True,
        width=640,
    )
