"""Root reads everything; within `unprivileged` even root meets the permissions of files, as any user does."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522  # of the system call: 64 capabilities in two words
OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def unprivileged() -> Iterator[None]:
    """Takes the right to read everything from this thread for a while; does nothing for a user who has none."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    had = sets[0]
    sets[0] = had & ~OVERRIDES  # the effective set; what is permitted stays, so that it can be taken up again
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = had
        assert libc.capset(header, sets) == 0
