"""Guards for mistakes of the libraries that xlmerge does not share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def known_defect(what: str, *errors: type[BaseException]) -> Iterator[None]:
    """A block that would succeed if the library were right, and is known to fail.

    When it no longer fails the library was repaired: the guard goes, and so may whatever was done
    because of it.

    Args:
        what: The defect, and the library's version that was seen with it.
        errors: How it shows; a wrong number, found by an assertion, if not given.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, errors or AssertionError):
            return
        raise
    pytest.fail(f"repaired upstream: {what}")
