"""How many images of what kind a dataset holds, as bars."""

import html

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gan_aug.data.dataset import ImageSet
from gan_aug.records import Split
from pages.components import palette

MOST_BARS = 12
UNKNOWN = "not given"


def balance(image_set: ImageSet, split: Split | None) -> None:
    """Bars of the classes by part, source and diagnosis, and the numbers behind them."""
    table, classes = image_set.table, image_set.record.classes
    charts = {"By diagnosis": table["diagnosis"]}
    if len(image_set.record.sources) > 1:
        charts = {"By source": table["source"]} | charts
    if split is not None:
        charts = {"By part": pd.Series(split.parts, index=table.index)} | charts
    for title, column in charts.items():
        counts = counted(column, table["label"], classes)
        st.markdown(f"**{title}**")
        st.plotly_chart(_bars(counts), key=f"balance-{title}", config={"displayModeBar": False})
        with st.expander("The numbers"):
            st.dataframe(counts.assign(all=counts.sum(axis=1)))


def counted(column: pd.Series, labels: pd.Series, classes: tuple[str, ...]) -> pd.DataFrame:
    """Images of each class for each value of a column, the most frequent first; rare values are summed into one line."""
    counts = pd.crosstab(column.replace("", UNKNOWN), labels).reindex(columns=list(classes), fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    if len(counts) > MOST_BARS:
        rest = counts.iloc[MOST_BARS - 1 :]
        counts = pd.concat([counts.iloc[: MOST_BARS - 1], rest.sum().to_frame(f"{len(rest)} others").T])
    return counts.rename_axis(index=None, columns=None)


def _bars(counts: pd.DataFrame) -> go.Figure:
    """One bar a line, its classes told apart by colour and by pattern, with the total beside it."""
    counts = counts.rename(index=html.escape, columns=html.escape)  # Plotly reads names as markup, and these come from tables
    figure = go.Figure()
    for position, name in enumerate(counts.columns):
        figure.add_bar(
            y=counts.index,
            x=counts[name],
            name=name,
            orientation="h",
            marker={
                "color": palette.look(position)[0],
                "pattern": {
                    "shape": palette.PATTERNS[position % len(palette.PATTERNS)],
                    "fillmode": "overlay",
                    "fgcolor": "white",
                    "size": 6,
                    "solidity": 0.25,
                },
            },
            hovertemplate="%{y}, " + name + ": %{x:,}<extra></extra>",
        )
    totals = counts.sum(axis=1)
    figure.add_scatter(
        y=counts.index, x=totals, mode="text", text=[f" {total:,}" for total in totals], textposition="middle right",
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.update_layout(
        barmode="stack",
        height=70 + 34 * len(counts),
        margin={"l": 8, "r": 48, "t": 8, "b": 8},
        bargap=0.35,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        xaxis={"visible": False, "range": [0, float(totals.max()) * 1.12]},
        yaxis={"autorange": "reversed", "automargin": True, "ticksuffix": "  "},
    )
    return figure
