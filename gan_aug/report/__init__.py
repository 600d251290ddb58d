"""The report of a study: a page for people, and tables and JSON for other programs. No torch.

page.py        one HTML file that needs no other
sweep_page.py  the same of a sweep
figures.py     their figures
tables.py      CSV and JSON
"""

from gan_aug.report.figures import (
    COLOURS,
    DASHES,
    auc_figure,
    net_benefit_figure,
    pr_figure,
    reliability_figure,
    roc_figure,
)
from gan_aug.report.page import write_html
from gan_aug.report.sweep_page import sweep_figure, write_sweep_html
from gan_aug.report.tables import write_csv, write_json

__all__ = [
    "COLOURS",
    "DASHES",
    "auc_figure",
    "net_benefit_figure",
    "pr_figure",
    "reliability_figure",
    "roc_figure",
    "sweep_figure",
    "write_csv",
    "write_html",
    "write_json",
    "write_sweep_html",
]
