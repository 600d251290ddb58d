"""The machine under the app: its devices, disk and worker, told without loading what computes."""

import shutil
from pathlib import Path

from gan_aug import jobs
from gan_aug.jobs.slots import device_slots


def devices() -> str:
    """What training jobs run on here."""
    gpus = [slot.name.removeprefix("gpu") for slot in device_slots() if slot.name.startswith("gpu")]
    if not gpus:
        return "processor (no GPU found)"
    return f"GPU {gpus[0]}" if len(gpus) == 1 else f"{len(gpus)} GPUs"


def free_bytes(folder: Path) -> int:
    """Free space on the disk of a folder that need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def worker() -> str:
    """Whether the process that starts jobs is there; it comes with a job and leaves when there are none."""
    return "ready" if jobs.worker_process() else "starts with the next job"
