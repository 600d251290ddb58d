"""``python -m gan_aug`` is the same as the console script ``gan-aug``."""

import os
import sys

from gan_aug.cli import main

if __name__ == "__main__":
    code = main()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # One of several processes that train together. Everything is on the disk by now, and torch.distributed now and then aborts while
        # the interpreter is torn down ("terminate called without an active exception"), which torchrun would report as a failed training.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
