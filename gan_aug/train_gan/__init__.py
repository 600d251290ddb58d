"""Training GANs.

planning.py  what a training would be, settled and checked beforehand
state.py     the images, networks and optimisers of a training
loop.py      one loop for all of them
"""

from gan_aug.train_gan.loop import train
from gan_aug.train_gan.planning import parameter_counts, plan, prepare
from gan_aug.training import OnTick, Tick

__all__ = ["OnTick", "Tick", "parameter_counts", "plan", "prepare", "train"]
