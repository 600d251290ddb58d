"""CUDA graphs: the hundreds of small kernels of a training step, launched as one.

At 64 px a GPU works through such a kernel faster than Python launches the next one. A step that is captured once and then replayed costs
one launch, however many kernels it has (PyTorch, "CUDA semantics", section "CUDA Graphs").
"""

import collections
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

Stats = dict[str, Tensor]


class Graphs:
    """Steps by kind, each kind captured after it has run a few times.

    A captured step reads and writes the memory that it was captured with: weights, optimisers, loaded images and learning rates stay where
    they are, and what it returns is overwritten by the next one. Random draws follow ``torch.manual_seed`` as they do without a graph.
    """

    WARM = 3  # times that a kind runs before it is captured, while libraries choose their kernels and the optimisers their memory

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()  # shared: graphs never run at the same time
        self._times: collections.Counter[Hashable] = collections.Counter()
        self._captured: dict[Hashable, tuple[torch.cuda.CUDAGraph, Stats]] = {}

    def run(self, kind: Hashable, compute: Callable[[], Stats]) -> Stats:
        """Compute a step, or replay it if one of its kind has been captured. ``compute`` must launch the same kernels for the same kind."""
        self._times[kind] += 1
        if self._times[kind] <= self.WARM:
            return compute()
        if kind not in self._captured:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=torch.cuda.current_stream()):
                stats = compute()
            self._captured[kind] = graph, stats
        graph, stats = self._captured[kind]
        graph.replay()
        return stats
