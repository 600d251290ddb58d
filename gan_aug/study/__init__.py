"""Studies: a question, its arms and seeds, the cells that answer it, and what the answer is. No torch.

A study is planned here and its results are read here; nothing is started here. The cells are trained by
:func:`gan_aug.train_classifier.run_cell`, from the console or a job.
"""

from gan_aug.study.analysis import analyse, load_analysis
from gan_aug.study.cells import (
    Cell,
    Exam,
    cells,
    check_cell,
    find_cell,
    make_exam,
    open_test,
    predictions,
    test_accesses,
    val_exam,
    write_cell,
)
from gan_aug.study.planning import (
    Arm,
    Plan,
    default_positive,
    list_studies,
    load_plan,
    load_study,
    plan,
    study_folder,
    study_name,
)
from gan_aug.study.results import Analysis, ArmResult, Comparison, Curve, Estimate, Flip, Flips, Operating, PartResult, SourceResult
from gan_aug.study.words import p_text

__all__ = [
    "Analysis",
    "Arm",
    "ArmResult",
    "Cell",
    "Comparison",
    "Curve",
    "Estimate",
    "Exam",
    "Flip",
    "Flips",
    "Operating",
    "PartResult",
    "Plan",
    "SourceResult",
    "analyse",
    "cells",
    "check_cell",
    "default_positive",
    "find_cell",
    "list_studies",
    "load_analysis",
    "load_plan",
    "load_study",
    "make_exam",
    "open_test",
    "p_text",
    "plan",
    "predictions",
    "study_folder",
    "study_name",
    "test_accesses",
    "val_exam",
    "write_cell",
]
