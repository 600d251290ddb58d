"""Do generators leave a chequerboard? People see one at once; a network that looks at pictures for lesions hardly does.

    python benchmarks/chequerboard.py DATASET RUN [RUN ...] [--images 512]

A layer that doubles the side can leave a pattern that comes again every 2, 4 or 8 pixels (Odena, Dumoulin and Olah 2016, "Deconvolution and
checkerboard artifacts"). Printed is, for each of these periods, the energy of the grey pictures at its frequency, along rows and along
columns, as a multiple of the energy at the frequencies beside it: about 1 in photographs, more where there is such a pattern, less where
that frequency is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that no installation is needed

from gan_aug import catalog, runs
from gan_aug.data.dataset import open_dataset
from gan_aug.errors import UserError
from gan_aug.sample import sample

PERIODS = (2, 4, 8)  # px
BESIDE = (-3, -2, 2, 3)  # steps of frequency; one step to either side lies within the window's peak


def energies(pictures: np.ndarray) -> list[float]:
    """Energy at each of :data:`PERIODS` as a multiple of the geometric mean of that beside it.

    Parameters
    ----------
    pictures : ndarray of shape (N, R, R, 3)
        R is a multiple of 8.
    """
    grey = pictures.astype(np.float64).mean(axis=-1)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    side = grey.shape[1]
    window = np.hanning(side)
    power = (np.abs(np.fft.fft2(grey * window[:, None] * window)) ** 2).mean(axis=0)
    lines = [power.sum(axis=axis) for axis in (0, 1)]  # every frequency along one axis, whatever it is along the other

    def ratio(line: np.ndarray, at: int) -> float:
        return line[at] / np.exp(np.mean([np.log(line[(at + step) % side]) for step in BESIDE]))

    return [float(np.mean([ratio(line, side // period) for line in lines])) for period in PERIODS]


def line(name: str, found: Sequence[float]) -> str:
    """A row of the table."""
    return f"{name:44}" + "".join(f"{value:8.2f}" for value in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATASET")
    parser.add_argument("runs", metavar="RUN", nargs="+")
    parser.add_argument("--images", type=int, default=512)
    options = parser.parse_args()
    try:
        wanted = [runs.resolve(name) for name in options.runs]
        print(f"{'':44}" + "".join(f"{f'{period} px':>8}" for period in PERIODS))
        for side in dict.fromkeys(run.config["resolution"] for run, _ in wanted):
            print(line(f"photographs of {options.data}, {side} px", energies(open_dataset(options.data).at(side)[: options.images])))
        for run, checkpoint in wanted:
            class_name = run.classes[0] if catalog.entry(run.spec).conditional else None
            print(line(checkpoint.id, energies(sample(checkpoint.id, list(range(options.images)), class_name)[0])))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
