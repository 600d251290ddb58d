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
from gan_aug.study.operating import Aim, Calls, carry_over
from gan_aug.study.operating import flips as find_flips
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
from gan_aug.study.ratios import Dose, Ladder, ladders
from gan_aug.study.results import Analysis, ArmResult, Comparison, Curve, Estimate, Flip, Flips, Operating, PartResult, SourceResult
from gan_aug.study.steps import Proposal, lengths, propose_steps
from gan_aug.study.sweep import (
    Point,
    Recipe,
    Sweep,
    hold_point,
    list_sweeps,
    load_sweep,
    note_run,
    plan_point,
    plan_sweep,
    result_file,
    scheme_at,
    trained_for,
)
from gan_aug.study.together import FoldTest, SweepResult, SweepRow, analyse_sweep, load_sweep_result
from gan_aug.study.words import p_text

__all__ = [
    "Aim",
    "Analysis",
    "Arm",
    "ArmResult",
    "Calls",
    "Cell",
    "Comparison",
    "Curve",
    "Dose",
    "Estimate",
    "Exam",
    "Flip",
    "Flips",
    "FoldTest",
    "Ladder",
    "Operating",
    "PartResult",
    "Plan",
    "Point",
    "Proposal",
    "Recipe",
    "SourceResult",
    "Sweep",
    "SweepResult",
    "SweepRow",
    "analyse",
    "analyse_sweep",
    "carry_over",
    "cells",
    "check_cell",
    "default_positive",
    "find_cell",
    "find_flips",
    "hold_point",
    "ladders",
    "lengths",
    "list_studies",
    "list_sweeps",
    "load_analysis",
    "load_plan",
    "load_study",
    "load_sweep",
    "load_sweep_result",
    "make_exam",
    "note_run",
    "open_test",
    "p_text",
    "plan",
    "plan_point",
    "plan_sweep",
    "predictions",
    "propose_steps",
    "result_file",
    "scheme_at",
    "study_folder",
    "study_name",
    "test_accesses",
    "trained_for",
    "val_exam",
    "write_cell",
]
