"""What the bundled rules say of themselves; no library is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xlmerge.plugin import discover

REGISTRY = discover(strict=True)

# Name: kind, least number of children, weights.
RULES = {
    "add": ("inside", 2, "optional"),
    "average": ("inside", 2, "optional"),
    "batch_split": ("inside", 2, "required"),
    "ensemble": ("around", 2, "optional"),
    "fuse": ("inside", 2, "no"),
    "interpolate": ("inside", 1, "required"),
    "parallel": ("inside", 2, "no"),
    "split": ("inside", 2, "required"),
    "stack": ("inside", 2, "no"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_declaration(name: str) -> None:
    rule = REGISTRY.composition_rule(name).descriptor
    assert rule.count is not None
    assert (rule.kind, rule.count.least, rule.weighted) == RULES[name]
    assert rule.count.most is None
    assert not rule.roles
    assert rule.function.__doc__


def test_all_of_them_are_here() -> None:
    standard = {
        name
        for name, registered in REGISTRY.composition_rules.items()
        if registered.plugin == "standard"
    }
    assert standard == set(RULES)


def test_options() -> None:
    rules = [REGISTRY.composition_rule(name).descriptor for name in RULES]
    options = {rule.name: rule.parameters for rule in rules if rule.parameters}
    [space] = options.pop("ensemble")
    assert (space.name, space.choices, space.default) == (
        "space",
        ("probability", "logit"),
        "probability",
    )
    assert not options


def test_no_library_is_imported() -> None:
    code = (
        "import sys; from xlmerge.plugin import discover; discover().composition_rules; "
        "print(sorted({'torch', 'adapters', 'peft', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
