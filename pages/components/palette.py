"""Colours, dashes and markers of every chart: the Okabe-Ito set, which stays apart for colour-blind readers.

A line or group is never told by its colour alone: :func:`look` gives each its own dash and marker too.
"""

BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#767676"

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
PATTERNS = ("", "/", ".", "x", "-", "\\")


def look(position: int) -> tuple[str, str, str]:
    """Colour, dash and marker of the line at ``position``; they repeat after six."""
    turn = position % len(COLOURS)
    return COLOURS[turn], DASHES[turn], MARKERS[turn]
