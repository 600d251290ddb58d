"""Training classifiers: single ones, and the cells of a study.

gather.py   the training images of a scheme, the synthetic ones generated
loop.py     one loop: prepare, train
cells.py    predictions, and the cells of a study
"""

from gan_aug.train_classifier.cells import final_evaluate, load_classifier, predict, run_cell
from gan_aug.train_classifier.loop import prepare, train

__all__ = ["final_evaluate", "load_classifier", "predict", "prepare", "run_cell", "train"]
