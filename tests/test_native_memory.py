"""Memory that the C library keeps though it was freed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_is_given_back() -> None:
    """In a process of its own: a thread frees small blocks below one that stays, which the C library would keep."""
    script = """
import threading
from pathlib import Path
from gan_aug import native_memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])
def work():
    blocks = [bytearray(100_000) for _ in range(600)]
    kept.append(bytearray(100_000))
native_memory.keep_little()
kept = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
before = resident()
native_memory.give_back()
print(4096 * (before - resident()))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 30e6
