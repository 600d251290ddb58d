"""Training GANs.

planning.py  what a training would be, settled and checked beforehand
state.py     the images, networks and optimisers of a training
loop.py      one loop for all of them
graphs.py    steps captured as CUDA graphs
health.py    what goes wrong, in words
ranks.py     several processes that train one GAN together
"""

from gan_aug.train_gan.loop import train
from gan_aug.train_gan.planning import parameter_counts, plan, prepare

__all__ = ["parameter_counts", "plan", "prepare", "train"]
