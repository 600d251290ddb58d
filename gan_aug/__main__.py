"""``python -m gan_aug`` is the same as the console script ``gan-aug``."""

import sys

from gan_aug.cli import main

if __name__ == "__main__":
    sys.exit(main())
