# ruff: noqa: S101 - the asserts of a test suite
"""Finding a plugin imports no large library: it happens at every start of the program."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache

from xlmerge.testing.fresh_process import HEAVY, importable

__all__ = ["check_module_is_light", "importable"]


def check_module_is_light(module: str) -> None:
    """Importing a module in a new process imports no array library and no model library."""
    heavy = _imported_by(module)
    assert not heavy, (
        f"importing {module} imports {', '.join(heavy)}: every start of xlmerge would; import it "
        "inside the function that needs it"
    )


@lru_cache(maxsize=64)
def _imported_by(module: str) -> tuple[str, ...]:
    code = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(  # noqa: S603 - this interpreter, on the module under test
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"importing {module}:\n{done.stderr}"
    return tuple(done.stdout.split())
