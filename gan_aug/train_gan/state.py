"""What a GAN's training holds: its images, its networks and their average, its optimisers."""

import copy
import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from gan_aug import catalog, checkpoint, device, gans, images, latent, randomness
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue
from gan_aug.gans.augment import AdaptiveShare, dihedral
from gan_aug.records import GanConfig, Run, Split, from_dict
from gan_aug.train_gan.graphs import Graphs
from gan_aug.train_gan.ranks import ALONE, Ranks

GRID_SIDE = 8


def n_classes(run: Run) -> int:
    """Number of classes that G is told about: 0 for an unconditional GAN."""
    return len(run.classes) if catalog.entry(run.spec).conditional else 0


def training_rows(image_set: ImageSet, split: Split, class_name: str | None) -> np.ndarray:
    """Table rows of the train part, of one class if given: int64, ascending. A GAN sees these and no others."""
    rows = np.array(split.rows("train"), dtype=np.int64)
    if class_name is None:
        return rows
    return rows[image_set.labels[rows] == image_set.record.classes.index(class_name)]


class TrainingImages:
    """The training images as uint8, resident on the device where they fit, given out as batches, or shares of batches, in a keyed order.

    ``load`` puts the batches of a step where ``batch`` finds them: always the same memory, because a captured graph reads no other. Nothing
    waits for a GPU.
    """

    def __init__(self, run: Run, config: GanConfig, on: torch.device, ranks: Ranks = ALONE):
        image_set = open_dataset(run.dataset)
        if image_set.record.fingerprint != run.dataset_fingerprint:
            raise InvalidValue(
                f"Dataset {run.dataset} is not the one that run {run.id} was started on.",
                "Start a new run, or bring the dataset back that it was started on.",
            )
        rows = training_rows(image_set, load_split(run.dataset, run.split_id), run.class_name)
        self.images = torch.from_numpy(np.ascontiguousarray(image_set.at(config.resolution)[rows]))
        self.labels = torch.from_numpy(image_set.labels[rows])
        self.device = on
        if on.type == "cuda" and self.images.nbytes < torch.cuda.mem_get_info(on)[0] / 2:
            self.images, self.labels = self.images.to(on), self.labels.to(on)
        self.seed, self.config, self.ranks = run.seed, config, ranks
        self.share = ranks.share(config.batch_size)
        self.loaded = torch.empty((config.d_steps * self.share, *self.images.shape[1:]), dtype=torch.uint8, device=on)
        self.loaded_labels = torch.empty(len(self.loaded), dtype=torch.int64, device=on)

    def examples(self, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """At most 64 training images, evenly out of all, or out of each class as many as ``classes`` has: (N, R, R, 3) uint8.

        The second value is their classes where ``classes`` are given, else None.
        """
        labels = self.labels.cpu().numpy()
        pools = [(np.arange(len(labels)), GRID_SIDE**2)]
        if classes is not None:
            pools = [(np.flatnonzero(labels == number), int((classes == number).sum())) for number in np.unique(classes)]
        rows = np.concatenate([pool[np.linspace(0, len(pool) - 1, min(most, len(pool)), dtype=int)] for pool, most in pools])
        return self._pixels(rows), None if classes is None else labels[rows]

    def two_sets(self, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Two sets without an image in common, of at most ``most`` each, and the classes of the first: (N, R, R, 3) uint8, (N,) int64.

        They are the same at each call, and drawn apart from all that the training draws.
        """
        order = np.random.default_rng(randomness.key(self.seed, "two sets")).permutation(len(self.images))
        size = min(most, len(order) // 2)
        some, others = (np.sort(rows) for rows in (order[:size], order[size : 2 * size]))
        return self._pixels(some), self._pixels(others), self.labels.cpu().numpy()[some]

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        return self.images[torch.from_numpy(rows).to(self.images.device)].cpu().numpy()

    def load(self, step: int) -> None:
        """Take the batches of a step from the endless sequence of epochs."""
        size, turns = self.config.batch_size, self.config.d_steps
        whole = randomness.batch_rows(self.seed, step, turns * size, len(self.images)).reshape(turns, size)
        mine = whole[:, self.ranks.rank * self.share :][:, : self.share]
        rows = self._to(self.images.device, torch.from_numpy(mine.reshape(-1)))
        self.loaded.copy_(self._to(self.device, self.images[rows]), non_blocking=True)
        self.loaded_labels.copy_(self._to(self.device, self.labels[rows]), non_blocking=True)

    def batch(self, turn: int) -> tuple[Tensor, Tensor]:
        """What D is shown in a turn of the loaded step: images (N, 3, R, R) in [-1, 1] and class numbers (N,)."""
        here = slice(turn * self.share, (turn + 1) * self.share)
        pixels = self.loaded[here].permute(0, 3, 1, 2)
        if self.config.dihedral:
            pixels = dihedral(pixels)
        return device.to_float(pixels), self.loaded_labels[here]

    @staticmethod
    def _to(where: torch.device, values: Tensor) -> Tensor:
        """A tensor on a device. From memory that is not pinned a GPU would copy only while the program waits."""
        if values.device.type == where.type:
            return values
        return values.pin_memory().to(where, non_blocking=True)


class AveragedG:
    """Exponential moving average of G, buffers included (without BatchNorm's statistics an average cannot be used for sampling).

    ``half_life`` is in images; the ramp-up keeps it below a share of the images seen, so that the random start is soon forgotten.
    """

    def __init__(self, G: nn.Module, config: GanConfig):
        self.network = copy.deepcopy(G).eval().requires_grad_(False)
        self.half_life, self.rampup = config.ema_kimg * 1000, config.ema_rampup
        self.weight = torch.zeros((), device=next(G.parameters()).device)  # of G in the next update

    def set_weight(self, n_images: int, images_seen: float) -> None:
        """The weight of a G that has learnt from ``n_images`` since the last update, and from ``images_seen`` in all."""
        half_life = max(1e-8, min(self.half_life, images_seen * self.rampup) if self.rampup else self.half_life)
        self.weight.fill_(1 - 0.5 ** (n_images / half_life))

    @torch.no_grad()
    def update(self, G: nn.Module) -> None:
        for mine, theirs in zip(self.network.state_dict().values(), G.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, self.weight)
            else:
                mine.copy_(theirs)


@dataclasses.dataclass
class Training:
    """Everything that changes while a GAN is trained."""

    run: Run
    config: GanConfig
    G: nn.Module
    D: nn.Module
    averaged: AveragedG | None
    adaptive: AdaptiveShare | None
    g_optimiser: torch.optim.Optimizer
    d_optimiser: torch.optim.Optimizer
    ranks: Ranks = ALONE
    graphs: Graphs | None = None
    step: int = 0

    @property
    def kimg(self) -> float:
        return self.step * self.config.step_images / 1000

    def set_learning_rates(self) -> None:
        """Give the optimisers the rates of this step: as configured, and at the end of the training falling linearly to zero."""
        if not self.config.lr_decay:
            return  # they have had them since the start
        total = self.config.total_steps
        share = min(1.0, (total - self.step) / (self.config.lr_decay * total))
        for optimiser, rate in ((self.g_optimiser, self.config.g_lr), (self.d_optimiser, self.config.d_lr)):
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):  # which a captured graph reads
                    group["lr"].fill_(share * rate)
                else:
                    group["lr"] = share * rate

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All networks that are saved."""
        return {"G": self.G, "D": self.D} | ({"G_ema": self.averaged.network} if self.averaged else {})

    @property
    def sampler(self) -> nn.Module:
        """The network that is sampled: the average where there is one."""
        return self.averaged.network if self.averaged else self.G

    def snapshot(self, metrics: dict[str, float]) -> checkpoint.Snapshot:
        return checkpoint.Snapshot(
            step=self.step,
            kimg=self.kimg,
            weights={name: network.state_dict() for name, network in self.networks.items()},
            optimisers={"G": self.g_optimiser.state_dict(), "D": self.d_optimiser.state_dict()}
            | ({"augment": {"share": self.adaptive.share}} if self.adaptive else {}),
            sampled="G_ema" if self.averaged else "G",
            metrics=metrics,
        )

    def restore(self, snapshot: checkpoint.Snapshot) -> None:
        self.G.load_state_dict(snapshot.weights["G"])
        self.D.load_state_dict(snapshot.weights["D"])
        if self.averaged:
            self.averaged.network.load_state_dict(snapshot.weights["G_ema"])
        for name, optimiser in (("G", self.g_optimiser), ("D", self.d_optimiser)):
            saved, mine = snapshot.optimisers[name], optimiser.param_groups[0]
            here = {key: mine[key] for key in ("lr", "fused", "capturable")}  # what fits this machine, not the one that saved it
            optimiser.load_state_dict({**saved, "param_groups": [{**group, **here} for group in saved["param_groups"]]})
        if self.adaptive:
            self.adaptive.share.copy_(snapshot.optimisers["augment"]["share"])
        self.step = snapshot.step

    def weights_are_finite(self) -> bool:
        return all(bool(torch.isfinite(p).all()) for network in (self.G, self.D) for p in network.parameters())


def build_training(run: Run, on: torch.device, ranks: Ranks = ALONE) -> Training:
    """Networks and optimisers of a run, at their keyed random start, the same on all ranks."""
    config = from_dict(GanConfig, run.config)
    torch.manual_seed(randomness.key(run.seed, "init"))
    G, D = gans.spec(run.spec).build(config, n_classes(run))
    ranks.start_equal((G, D))
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    G, D = G.to(on, memory_format=layout), D.to(on, memory_format=layout)

    def adam(network: nn.Module, rate: float) -> torch.optim.Optimizer:
        on_gpu = on.type == "cuda"
        lr = torch.tensor(rate, device=on) if on_gpu else rate
        return torch.optim.Adam(network.parameters(), lr, (config.beta1, config.beta2), fused=on_gpu, capturable=on_gpu)

    return Training(
        run=run,
        config=config,
        G=G,
        D=D,
        averaged=AveragedG(G, config) if config.ema_kimg else None,
        adaptive=AdaptiveShare(config.augment_target, on) if config.augment_target else None,
        g_optimiser=adam(G, config.g_lr),
        d_optimiser=adam(D, config.d_lr),
        ranks=ranks,
        graphs=Graphs() if device.graphs_wanted(on) and ranks.world == 1 else None,
    )


def grid_classes(run: Run) -> np.ndarray | None:
    """The classes of the 64 pictures of a conditional GAN, which take turns by row: (64,) int64. None for another GAN."""
    classes = n_classes(run)
    return np.arange(GRID_SIDE**2) // GRID_SIDE % classes if classes else None


@torch.no_grad()
def sample_pictures(state: Training, on: torch.device, n: int, classes: np.ndarray | None) -> np.ndarray:
    """The pictures of seeds 0 to n - 1, of the given classes if any: (n, R, R, 3) uint8. No weight, buffer or random number changes.

    No more than the 64 of a grid are generated at a time: what is watched must not need more memory than the training.
    """
    network = state.sampler
    was_training = network.training
    network.eval()
    pictures = []
    for start in range(0, n, GRID_SIDE**2):
        seeds = list(range(start, min(start + GRID_SIDE**2, n)))
        y = None if classes is None else torch.from_numpy(classes[seeds]).to(on)
        fakes = network(torch.from_numpy(latent.z_of_seeds(seeds, state.config.z_dim)).to(on), y)
        pictures.append(images.to_uint8(fakes.float().cpu().permute(0, 2, 3, 1).numpy()))
    network.train(was_training)
    return np.concatenate(pictures)
