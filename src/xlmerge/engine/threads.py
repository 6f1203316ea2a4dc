"""A few threads over many tensors, results in order, no more than a few of them in memory."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["in_order", "one_blas_thread", "reuse_memory", "workers"]

J = TypeVar("J")
R = TypeVar("R")

_MOST = 4  # each holds a bundle of every input, and the disk is one


def workers() -> int:
    """How many threads merge at a time."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(_MOST, usable or 1))


def in_order(
    compute: Callable[[J], R], jobs: Iterable[J], *, together: bool = True
) -> Generator[tuple[J, R]]:
    """Compute with a few threads, and hand over in order.

    Close it (``contextlib.closing``) where it may not be exhausted: that waits for what is being
    computed, so that no thread reads from a file that is closed next.

    Args:
        compute: Called from several threads.
        jobs: What to compute.
        together: Whether several at a time; else each when it is asked for, so that no more than
            one is in memory.
    """
    if not together:
        for job in jobs:
            yield job, compute(job)
        return
    count = workers()
    with ThreadPoolExecutor(count, thread_name_prefix="xlmerge") as pool:
        waiting: deque[tuple[J, Future[R]]] = deque()
        try:
            for job in jobs:
                waiting.append((job, pool.submit(compute, job)))
                if len(waiting) > count:
                    first, future = waiting.popleft()
                    yield first, future.result()
                    del future  # and the result with it, before the next one is waited for
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
                del future
        finally:
            for _, future in waiting:
                future.cancel()


def one_blas_thread() -> Any:
    """A context in which BLAS uses one thread.

    Many small factorisations run fastest so, and sums have one order on every machine; the threads
    here are over tensors.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def reuse_memory() -> None:
    """Let the memory of one tensor serve the next.

    By default glibc gives the memory of large arrays back to the system at once, which then clears
    fresh pages for the next array: a fifth of the time of a merge. It learns from the largest block
    that it has seen freed (mallopt(3), M_MMAP_THRESHOLD), so it is shown one of 8 MiB, larger than
    the tensors of most adapters; still larger ones would be kept in vain. The block is never
    touched, and costs no memory. Other C libraries do as they like.
    """
    import numpy as np

    np.empty(8 << 20, np.uint8)
