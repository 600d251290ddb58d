"""Several processes that train one GAN together: ``torchrun --nproc-per-node 2 -m gan_aug train ...``; gloo on CPUs, NCCL on GPUs.

Every rank holds the same weights and takes its share of each batch; gradients are averaged after each backward pass. That is done here and
not by DistributedDataParallel, whose hooks do not know the penalties' double backward and two optimisers that take turns. BatchNorm
normalises with the statistics of a rank's own share, and its running statistics are averaged after every step, as all buffers are.

Rank 0 alone writes files. Ranks must not wait for one that gave up: before everything that they do together they meet, and whoever has
failed says so at the next meeting.
"""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, distributed, nn

from gan_aug.errors import InvalidValue, UserError

_GO, _STOP, _FAILED = 0, 1, 2


class OtherRankFailed(UserError):
    """Another process of the same training failed or is gone."""


@dataclasses.dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together; alone, every method returns at once what it was given."""

    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """Whether this rank writes the files."""
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """Images of each batch that are this rank's.

        Raises
        ------
        InvalidValue
            If the batch cannot be shared out evenly, or a share would have a single image, which has no batch statistics.
        """
        if batch_size % self.world or batch_size // self.world < 2:
            raise InvalidValue(
                f"A batch of {batch_size} images cannot be shared out to {self.world} processes.",
                f"Use a multiple of {self.world}, {2 * self.world} or more: --batch {max(2, round(batch_size / self.world)) * self.world}",
            )
        return batch_size // self.world

    def key(self) -> tuple[str | int, ...]:
        """What a key of random draws is extended by, so that ranks draw differently; nothing on rank 0, which draws what it would alone."""
        return ("rank", self.rank) if self.rank else ()

    def stop(self, wished: bool) -> bool:
        """Whether any rank wishes to stop."""
        return wished if self.world == 1 else self._meet(_STOP if wished else _GO) == _STOP

    def from_main(self, make: Callable[[], Any]) -> Any:
        """What ``make`` returns on rank 0, which alone calls it."""
        if self.world == 1:
            return make()
        box = [make() if self.main else None]
        self._meet()
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    @torch.no_grad()
    def start_equal(self, networks: Iterable[nn.Module]) -> None:
        """Give all ranks the weights and buffers of rank 0."""
        if self.world > 1:
            self._meet()
            for network in networks:
                for tensor in network.state_dict().values():
                    distributed.broadcast(tensor, src=0)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace the gradients of a network by their mean over the ranks, as if one process had seen the whole batch."""
        if self.world > 1:
            for parameter in network.parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            self._average([parameter.grad for parameter in network.parameters()])

    def average_buffers(self, networks: Iterable[nn.Module]) -> None:
        """Replace the buffers that are not counters by their mean over the ranks."""
        if self.world > 1:
            self._average([buffer for network in networks for buffer in network.buffers() if buffer.is_floating_point()])

    def average(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the ranks; where there is one, the tensor itself."""
        if self.world > 1:
            value = value.clone()
            self._average([value])
        return value

    def average_numbers(self, numbers: dict[str, float]) -> dict[str, float]:
        """The mean of each number over the ranks, which have the same names."""
        if self.world == 1:
            return numbers
        values = torch.tensor([numbers[name] for name in sorted(numbers)], dtype=torch.float64)
        self._average([values])
        found = dict(zip(sorted(numbers), values.tolist(), strict=True))
        return {name: found[name] for name in numbers}

    def require_equal(self, networks: Iterable[nn.Module], step: int) -> None:
        """Compare the digests of all weights and buffers.

        Raises
        ------
        UserError
            If a rank's differ.
        """
        if self.world == 1:
            return
        digests: list[Any] = [None] * self.world
        mine = digest(networks)
        self._meet()
        distributed.all_gather_object(digests, mine)
        others = [rank for rank, found in enumerate(digests) if found != digests[0]]
        if others:
            raise UserError(
                f"At step {step} the weights of rank {', '.join(map(str, others))} differ from those of rank 0; they are not saved.",
                "Resume from the last snapshot. If it happens again, train with one process and report it.",
            )

    @torch.no_grad()
    def _average(self, tensors: list[Tensor]) -> None:
        """Average tensors of one kind in place, as one message: a message costs more than its content."""
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self._meet()
        distributed.all_reduce(flat)
        flat /= self.world
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def _meet(self, code: int = _GO, reason: str = "") -> int:
        """Wait for all ranks; the largest of their codes.

        Raises
        ------
        OtherRankFailed
            If another rank has failed or is gone.
        """
        try:
            flag = torch.tensor(code)
            distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
            reasons: list[Any] = [None] * self.world
            if flag.item() == _FAILED:
                distributed.all_gather_object(reasons, reason)
        except RuntimeError as error:  # a connection that broke off
            raise OtherRankFailed("Another process of this training is gone.", "Resume from the last snapshot.") from error
        if flag.item() == _FAILED and code != _FAILED:
            told = "; ".join(f"rank {rank}: {text}" for rank, text in enumerate(reasons) if text)
            raise OtherRankFailed(f"Another process of this training failed ({told}).", "See what it says, and resume.")
        return int(flag.item())

    def tell(self, error: BaseException) -> None:
        """Let the others know that this rank gives up, and wait until they have noted it: when one ends, a launcher kills the rest."""
        if self.world > 1:
            with contextlib.suppress(OtherRankFailed):
                if not isinstance(error, OtherRankFailed):
                    self._meet(_FAILED, getattr(error, "what", None) or f"{type(error).__name__}: {error}")
                self._meet()


ALONE = Ranks()


def digest(networks: Iterable[nn.Module]) -> str:
    """SHA-256 of all weights and buffers, 64 hexadecimal digits."""
    found = hashlib.sha256()
    for network in networks:
        for name, tensor in network.state_dict().items():
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def launched() -> Ranks:
    """This process's place, as a launcher such as ``torchrun`` tells it; joined or not."""
    if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= set(os.environ):
        return Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    return ALONE


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes while the block runs, if a launcher such as ``torchrun`` started several; an inner block goes on with it."""
    ranks = launched()
    if ranks.world == 1 or distributed.is_initialized():
        yield ranks
        return
    backend = "cpu:gloo"  # which carries the meetings on a GPU machine, too
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        backend += ",cuda:nccl"
    distributed.init_process_group(backend)
    try:
        yield ranks
        ranks._meet()  # nobody hangs up while another still listens
    except BaseException as error:
        ranks.tell(error)
        raise
    finally:
        distributed.destroy_process_group()
