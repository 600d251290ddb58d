"""Memory that the C library has and nobody uses, of a process that lives for days and has many threads.

glibc gives each thread an arena of its own, and keeps much of what was freed. benchmarks/pages.py, after every page and walks through six
generators at 128 px of which two are open: 400 MB; with what is done here 320 MB. Other C libraries have no such calls, and nothing is done
there.
"""

import ctypes
import functools

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_LARGE = 1 << 20  # bytes; such blocks are mapped, and so given back when they are freed


@functools.cache
def keep_little() -> None:
    """Let threads that are still to come share two arenas, and large blocks go back when they are freed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_back() -> None:
    """Return freed memory to the system, which takes some milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
