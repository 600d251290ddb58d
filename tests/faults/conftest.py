"""For every test with real processes: a workspace of its own, and nothing that outlives the test."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import kill_worker

from gan_aug import files
from gan_aug.jobs import queue


@pytest.fixture(autouse=True)
def _clean_up(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One slot, and nothing that outlives the test. Only processes that hold this workspace's locks are ended."""
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")
    monkeypatch.delenv("GAN_AUG_AUTOSTART", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    kill_worker()
    for row in queue.open_jobs():
        if row["process"] and files.is_locked(queue.lock_file(row["id"])):
            os.killpg(row["process"], signal.SIGKILL)
