"""Memory of a step, counted in four ways: resident, in tensors, on an accelerator, and saved."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path

import torch

from xlmerge.errors import ModelError

__all__ = ["allocate", "allocated", "allocated_cuda", "resident", "saved"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def allocate(*, mapped_from: int) -> None:
    """How large a block of memory has to be to have pages of its own, where malloc is glibc's."""
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, mapped_from)
        libc.mallopt(_TRIM_THRESHOLD, 2 * mapped_from)


def resident(step: Callable[[int], None]) -> int | None:
    """Bytes by which the resident memory grows at most, in a copy of this process; None where the
    system does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return json.loads(answer) if answer else None
    try:
        step(0)  # whatever this process makes once
        ctypes.CDLL(None).malloc_trim(0)  # what was freed must not hide what is taken
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        step(1)
        os.write(writing, json.dumps(_status("VmHWM") - before).encode())
    finally:
        os._exit(0)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def allocated(step: Callable[[int], None]) -> int:
    """Bytes of tensors that a step makes and holds at most at one time, as torch's allocator has
    it: what ``torch.cuda.max_memory_allocated`` is on an accelerator."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step(1)
    events = profiled.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return max(accumulate(change for _, change in changes))


def allocated_cuda(step: Callable[[int], None]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(1)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def saved(step: Callable[[int], None], parameters: Iterable[torch.nn.Parameter]) -> int | None:
    """Bytes that are kept for backward passes at most at one time, without the parameters; None
    where the step goes through torch.func, which cannot count them."""
    apart = {p.untyped_storage().data_ptr() for p in parameters}
    held: dict[int, list[int]] = {}
    now = most = 0

    def drop(place: int) -> None:
        nonlocal now
        held[place][0] -= 1
        if not held[place][0]:
            now -= held.pop(place)[1]

    class Kept:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor

    def pack(tensor: torch.Tensor) -> Kept:
        nonlocal now, most
        kept, storage = Kept(tensor), tensor.untyped_storage()
        place = storage.data_ptr()
        if place not in apart:
            if place not in held:
                held[place] = [0, storage.nbytes()]
                now += storage.nbytes()
                most = max(most, now)
            held[place][0] += 1
            weakref.finalize(kept, drop, place)
        return kept

    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            step(0)
    except ModelError as error:
        if "saved tensor hooks" not in str(error):
            raise
        return None
    return most
