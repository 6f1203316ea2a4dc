"""Which library works on which arrays, and that none is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import array_namespace


def test_numpy_uses_its_own_namespace() -> None:
    assert array_namespace(np.zeros(2), np.float32(1)) is np


def test_torch_goes_through_the_compatibility_layer() -> None:
    torch = pytest.importorskip("torch")
    assert array_namespace(torch.zeros(2)).__name__ == "array_api_compat.torch"
    assert array_namespace(torch.nn.Parameter(torch.zeros(2))) is array_namespace(torch.zeros(1))


def test_others_say_it_themselves() -> None:
    assert array_namespace(array_api_strict.zeros(2)) is array_api_strict


def test_libraries_are_not_mixed() -> None:
    with pytest.raises(SpaceError, match="array_api_strict and numpy"):
        array_namespace(np.zeros(2), array_api_strict.zeros(2))


@pytest.mark.parametrize("arguments", [(), ([1.0],), (1.0,), (np.zeros(1), None)])
def test_what_is_no_array_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        array_namespace(*arguments)


def test_importing_the_spaces_imports_no_library() -> None:
    heavy = "{'numpy', 'torch', 'array_api_compat', 'array_api_strict'}"
    code = f"import sys, xlmerge.spaces; print(*({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""


def test_numpy_arrays_import_no_torch() -> None:
    code = (
        "import sys, numpy; from xlmerge.spaces import *\n"
        "a = LowRank(numpy.ones((3, 2)), numpy.ones((2, 3)), 1.0)\n"
        "LowRankSpace(Compression(rank=1)).transport(a, a, LowRank(a.left, a.right, 2.0), 1.0)\n"
        "print(*({'torch', 'array_api_compat'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""
