"""Tables of what differs between things that are compared."""

import pandas as pd


def differing(columns: dict[str, dict[str, str]], everything: bool = False) -> pd.DataFrame:
    """One row per property in which any two of the columns differ (or ``everything``, as for a single column).

    What a column lacks (such as the settings of a generator that it does not have) makes no difference by itself.
    """
    table = pd.DataFrame(columns)
    if not everything and len(columns) > 1:
        table = table[table.nunique(axis=1) > 1]
    return table.fillna("–").rename_axis("Property").reset_index()
