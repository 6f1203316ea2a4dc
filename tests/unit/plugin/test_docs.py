"""The examples in the docstrings of the plugin API do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import textwrap
import types

import pytest

import xlmerge.plugin
from xlmerge.plugin import load_registry

MODULES = sorted(
    f"xlmerge.plugin.{module.name}" for module in pkgutil.iter_modules(xlmerge.plugin.__path__)
)


@pytest.mark.parametrize("name", ["xlmerge.plugin", *MODULES])
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.FAIL_FAST).failed == 0


def test_parameters_have_an_example() -> None:
    from xlmerge.plugin import parameters

    assert doctest.testmod(parameters).attempted


def test_the_module_in_the_guide_is_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = xlmerge.plugin.__doc__ or ""
    source = guide.split("plugin.py``::\n")[1].split("\nThen ")[0]
    module = types.ModuleType("acme_xlmerge_step.plugin")
    exec(compile(textwrap.dedent(source), "guide", "exec"), vars(module))
    registry = load_registry([("step", module)], strict=True)
    assert registry.method("step").descriptor.parameters[0].describe() == (
        "number in [0, 1], default 0.5"
    )


def test_every_public_name_is_documented() -> None:
    for name in xlmerge.plugin.__all__:
        value = getattr(xlmerge.plugin, name)
        if isinstance(value, type | types.FunctionType):
            assert value.__doc__, name
