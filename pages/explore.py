"""Explore: look at what a generator paints between seeds, between classes, beside other generators, and seed by seed."""

import random

import streamlit as st

from gan_aug import catalog, latent, runs
from gan_aug.errors import InvalidValue
from gan_aug.records import Checkpoint, Run
from pages.components import address, chrome, explore_directions, explore_plane, explore_projection, film_view, generators, painting

MODES = {
    "walk": "Walk",
    "directions": "Directions",
    "plane": "Seed plane",
    "class": "Class axis",
    "same": "Side by side",
    "seeds": "Seeds",
    "project": "Project",
}
NOTES = {
    "walk": "From the picture of one seed to that of the next, along the sphere on which the generator's inputs lie.",
    "directions": "From one side of a seed to the other, in a direction in which this generator's pictures change much. Name what you see.",
    "plane": "Seeds lie on a plane, and every point between them has a picture. Drag to move.",
    "class": "One and the same input, painted as each class: what the generator believes to be the difference.",
    "same": "The same seeds, and so the same inputs z, painted by several generators, or by one in the course of its training.",
    "seeds": "One picture per seed. The same seed always gives the same picture.",
    "project": "Give a real image, and see how near this generator can come to it: the input is sought whose picture differs least.",
}
WALL = 60  # pictures of the seed wall
MOST_ROWS = 6
MOST_SEEDS = 48


def page() -> None:
    chrome.header(
        "Explore", "Look at what a trained generator paints. Every picture is synthetic, except where its caption says that it is real."
    )
    found = generators.available()
    if not found:
        generators.none_yet()
        return
    mode = address.pick(st.segmented_control, "Mode", list(MODES), key="mode", format_func=MODES.get, label_visibility="collapsed")
    st.caption(NOTES[mode])
    show = {"walk": _walk, "class": _class_axis, "same": _same_z, "seeds": _seeds}
    show |= {"directions": explore_directions.mode, "plane": explore_plane.mode, "project": explore_projection.mode}
    show[mode](found)


# --- one generator -----------------------------------------------------------------------------------------------------------------------


def _walk(found: dict[str, Run]) -> None:
    run, checkpoint, class_name = generators.pick(found)
    st.session_state.setdefault("seeds", "3,7")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Seeds to visit", key="seeds", bind="query-params", width=300, help="Two or more whole numbers, such as 3,7,12."
        )
        st.button("Other seeds", icon=":material/casino:", on_click=_other_seeds)
        frames = st.slider("Pictures", 8, MOST_SEEDS, 24, key="frames", bind="query-params", width=300)
    seeds = _seed_list(text, at_least=2)
    painting.prepare([checkpoint])
    painted = painting.walk(run, checkpoint, tuple(seeds), frames, class_name)
    film_view.show("film", [painted], [_between(seeds, n * (len(seeds) - 1) / (frames - 1)) for n in range(frames)])
    film_view.downloads(painted, f"{checkpoint.id}-walk-{'-'.join(map(str, seeds))}")


def _class_axis(found: dict[str, Run]) -> None:
    conditional = {name: run for name, run in found.items() if catalog.entry(run.spec).conditional}
    if not conditional:
        st.info(
            "Only a GAN that has learned several classes at once has a class axis, and none of that kind is trained yet.",
            icon=":material/info:",
        )
        st.page_link("pages/train.py", label="Train an AC-GAN", icon=":material/arrow_forward:")
        return
    run, checkpoint, _ = generators.pick(conditional, with_class=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input("Seed", 0, 10**9, 3, key="seed", bind="query-params", width=300)
        frames = st.slider("Pictures", 8, MOST_SEEDS, 24, key="frames", bind="query-params", width=300)
    painting.prepare([checkpoint])
    painted = painting.class_walk(run, checkpoint, int(seed), frames)
    film_view.show("film", [painted], [_mixture(run.classes, n * (len(run.classes) - 1) / (frames - 1)) for n in range(frames)])
    st.caption("The label is what the generator was asked for. It was not confirmed by histology, and it is no diagnosis.")
    film_view.downloads(painted, f"{checkpoint.id}-classes-{seed}")


def _seeds(found: dict[str, Run]) -> None:
    run, checkpoint, class_name = generators.pick(found)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = st.number_input("First seed", 0, 10**9, 0, step=WALL, key="first", bind="query-params", width=180)
        st.button("Previous 60", icon=":material/chevron_left:", on_click=_page_seeds, args=(-WALL,), disabled=first == 0)
        st.button("Next 60", icon=":material/chevron_right:", on_click=_page_seeds, args=(WALL,))
        variety = st.slider(
            "Variety", 0.3, 1.0, 1.0, 0.05, key="variety", bind="query-params", width=300,
            help="Below 1, inputs are drawn towards the mean: more typical, less varied.",
        )  # fmt: skip
    painting.prepare([checkpoint])
    numbers = tuple(range(int(first), int(first) + WALL))
    painted = painting.seeds(run, checkpoint, numbers, class_name, variety)
    film_view.show("browse", [painted], [f"Seed {number}" for number in numbers], list(map(str, numbers)))


# --- several generators ------------------------------------------------------------------------------------------------------------------


def _same_z(found: dict[str, Run]) -> None:
    words = {"generators": "Several generators", "training": "One generator in training"}
    rows = address.pick(st.segmented_control, "Rows", list(words), key="rows", format_func=words.get)
    if rows == "training":
        run = generators.pick_run(found)
        chosen = [(run, checkpoint) for checkpoint in _spread(runs.list_checkpoints(run.id), MOST_ROWS)]
    else:
        st.session_state.setdefault("runs", list(found)[:3])
        names = st.multiselect(
            "Generators", list(found), key="runs", bind="query-params", max_selections=MOST_ROWS, placeholder="Choose up to six"
        )
        chosen = [(found[name], runs.resolve(name)[1]) for name in names]
    if not chosen:
        st.info("Choose at least one generator.", icon=":material/info:")
        return
    st.session_state.setdefault("list", "0-7")
    classes = sorted({name for run, _ in chosen if catalog.entry(run.spec).conditional for name in run.classes})
    with st.container(horizontal=True):
        seeds = _seed_list(st.text_input("Seeds", key="list", bind="query-params", width=300, help="Such as 0-7 or 3,7,12."), at_least=1)
        class_name = address.pick(st.selectbox, "Class, for those that take one", classes, key="class", width=300) if classes else None
    painting.prepare([checkpoint for _, checkpoint in chosen])
    painted = [painting.seeds(run, checkpoint, tuple(seeds), _class_of(run, class_name)) for run, checkpoint in chosen]
    film_view.show("film", painted, [f"seed {seed}" for seed in seeds], list(map(str, seeds)))
    lengths = {run.config["z_dim"] for run, _ in chosen}
    if len(lengths) > 1:
        numbers = ", ".join(map(str, sorted(lengths)))
        st.caption(f"These generators take inputs of different length ({numbers}): a shorter one is the beginning of a longer one.")


def _class_of(run: Run, class_name: str | None) -> str | None:
    if not catalog.entry(run.spec).conditional:
        return None
    return class_name if class_name in run.classes else run.classes[0]


def _spread(checkpoints: list[Checkpoint], n: int) -> list[Checkpoint]:
    """At most ``n`` of the snapshots, evenly over the training, first and last among them."""
    if len(checkpoints) <= n:
        return checkpoints
    return [checkpoints[round(k * (len(checkpoints) - 1) / (n - 1))] for k in range(n)]


# --- pieces ------------------------------------------------------------------------------------------------------------------------------


def _seed_list(text: str, at_least: int) -> list[int]:
    seeds = latent.parse_seeds(text)
    if not at_least <= len(seeds) <= MOST_SEEDS:
        raise InvalidValue(f"{text!r} names {len(seeds)} seeds.", f"Write {at_least} to {MOST_SEEDS}, such as 3,7,12.")
    return seeds


def _other_seeds() -> None:
    st.session_state["seeds"] = ",".join(str(random.randrange(10_000)) for _ in range(2))


def _page_seeds(by: int) -> None:
    st.session_state["first"] = max(0, st.session_state["first"] + by)


def _between(seeds: list[int], position: float) -> str:
    """Where a frame lies, in words."""
    leg = min(int(position), len(seeds) - 2)
    share = round(100 * (position - leg))
    if share in (0, 100):
        return f"seed {seeds[leg + share // 100]}"
    return f"{share} % of the way from seed {seeds[leg]} to seed {seeds[leg + 1]}"


def _mixture(classes: tuple[str, ...], position: float) -> str:
    leg = min(int(position), len(classes) - 2)
    share = round(100 * (position - leg))
    if share in (0, 100):
        return classes[leg + share // 100]
    return f"{100 - share} % {classes[leg]}, {share} % {classes[leg + 1]}"


with chrome.guard():
    page()
