# ruff: noqa: S101 - the asserts of a test suite
"""What a process that has just started makes of a method: what it imports, and which bytes.

Run as a module it is that process: it imports a plugin's module, says which large libraries that
brought along, merges a few points, and prints the result's digest.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import MergeMethod

__all__ = [
    "check_hash_seed_is_irrelevant",
    "check_import_is_light",
    "importable",
]

HEAVY = ("numpy", "torch", "transformers", "adapters", "peft", "datasets")
"""What finding a plugin must not import: it happens at every start of the program."""


@dataclass(frozen=True, slots=True)
class FreshProcess:
    """What one process found.

    Attributes:
        heavy: The large libraries that importing the module imported.
        digest: Of the bytes of a few merges.
    """

    heavy: tuple[str, ...]
    digest: str


def importable(module: str) -> bool:
    """Whether another process can import a module by its name."""
    try:
        return module != "__main__" and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def check_import_is_light(method: MergeMethod, module: str) -> None:
    """Importing the module of a method imports no array library and no model library."""
    heavy = _fresh(module, method.name, "{}", hash_seed=1).heavy
    assert not heavy, (
        f"importing {module} imports {', '.join(heavy)}: every start of xlmerge would; import it "
        "inside the function that needs it"
    )


def check_hash_seed_is_irrelevant(
    method: MergeMethod, module: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """The order of sets and ``hash()`` of texts change with each start; the result must not."""
    given = json.dumps(dict(parameters or {}), sort_keys=True)
    first, second = (_fresh(module, method.name, given, hash_seed=seed) for seed in (1, 2))
    assert first.digest == second.digest, (
        f"{method.name}: another PYTHONHASHSEED gives other bytes; draw from `rng`, and take order "
        "from lists, never from sets or hash()"
    )


@lru_cache(maxsize=64)
def _fresh(module: str, method: str, parameters: str, *, hash_seed: int) -> FreshProcess:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(  # noqa: S603 - this interpreter, on this file
        [sys.executable, __file__, module, method, parameters],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"importing and calling {method} of {module}:\n{done.stderr}"
    told = json.loads(done.stdout.splitlines()[-1])
    return FreshProcess(tuple(told["heavy"]), told["digest"])


def _main(module: str, name: str, parameters: str) -> None:
    imported = importlib.import_module(module)
    heavy = [library for library in HEAVY if library in sys.modules]

    from xlmerge.plugin import MergeMethod
    from xlmerge.testing.arrays import raw_bytes
    from xlmerge.testing.cases import fitting_samples, plain_case

    [method, *_] = [
        value
        for value in vars(imported).values()
        if isinstance(value, MergeMethod) and value.name == name
    ]
    digest = hashlib.sha256()
    for sample in fitting_samples(method):
        case = plain_case(method, sample, parameters=json.loads(parameters))
        for part in raw_bytes(case.result()):
            digest.update(part)
    print(json.dumps({"heavy": heavy, "digest": digest.hexdigest()}))  # noqa: T201 - its answer


if __name__ == "__main__":
    _main(*sys.argv[1:])
