"""Whatever the variables and their values: as many instances as combinations, each in its place."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlmerge.plugin.trees import leaves
from xlmerge.recipe import ExpandedEvaluate, ExpandedMerge, ExpandedTrain, recipe_from_data

VALUES = st.lists(
    st.integers(-9, 99) | st.text("abAB-_0", min_size=1, max_size=3),
    min_size=1,
    max_size=4,
    unique_by=str,
)
FOR_EACH = st.dictionaries(st.sampled_from("xyz"), VALUES, min_size=1, max_size=3)
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def recipe(chain: list[dict[str, list[Any]]]) -> dict[str, Any]:
    """Steps of which each uses the one before, its values given where it has them."""
    steps: dict[str, Any] = {}
    for index, variables in enumerate(chain):
        used = ["a"]
        if index:
            before = chain[index - 1]
            here = {name: [str(value) for value in values] for name, values in variables.items()}
            shared = all(
                set(here.get(name, ["?"])) <= set(map(str, values))
                for name, values in before.items()
            )
            first = "/".join(str(values[0]) for values in before.values())
            used.append(f"s{index - 1}" if shared else f"s{index - 1}/{first}")
        steps[f"s{index}"] = {
            "for_each": variables,
            "merge": "m",
            "adapters": used,
            "with": {name: f"<{name}>" for name in variables},
        }
    # The last step first, so that the order of the file is never right.
    return {
        "version": 1,
        "adapters": {"a": "./a"},
        "steps": dict(reversed(steps.items())),
    }


@SETTINGS
@given(st.lists(FOR_EACH, min_size=1, max_size=4))
def test_combinations_names_and_order(chain: list[dict[str, list[Any]]]) -> None:
    made = recipe_from_data(recipe(chain)).expansion
    names = [step.name for step in made.steps]
    assert len(set(names)) == len(names)
    for index, variables in enumerate(chain):
        instances = [step for step in made.steps if step.step == f"s{index}"]
        assert len(instances) == math.prod(map(len, variables.values()))
        for step in instances:
            assert isinstance(step, ExpandedMerge)
            assert step.name == "/".join([step.step, *map(str, step.bindings.values())])
            assert step.values == step.bindings
            assert {type(value) for value in step.values.values()} <= {int, str}
    seen = {"a"}
    for step in made.steps:
        assert isinstance(step, ExpandedMerge)
        assert set(step.adapters or ()) <= seen
        seen.add(step.name)


@SETTINGS
@given(FOR_EACH, st.integers(1, 3), st.booleans())
def test_tables(variables: dict[str, list[Any]], rows: int, seeded: bool) -> None:
    if seeded:
        variables = variables | {"seed": [0, 1]}
    family = "/".join(f"<{name}>" for name in variables)
    data = {
        "version": 1,
        "adapters": {"a": family},
        "datasets": {"d": family},
        "steps": {
            "t": {"train": "t", "for_each": variables, "data": "d"},
            "v": {
                "evaluate": "k",
                "for_each": variables,
                "data": "d",
                "rows": {f"row {index}": {"stack": ["a", "t"]} for index in range(rows)},
            },
        },
    }
    *trained, table = recipe_from_data(data).expansion.steps
    assert all(isinstance(step, ExpandedTrain) for step in trained)
    assert isinstance(table, ExpandedEvaluate)
    assert len(trained) == math.prod(map(len, variables.values()))
    assert len(table.cells) == rows * len(trained)
    assert len({(cell.row, cell.column, cell.seed) for cell in table.cells}) == len(table.cells)
    assert "seed" not in table.columns
    assert {cell.seed for cell in table.cells} == ({"0", "1"} if seeded else {None})
    for cell in table.cells:
        of_data = cell.data.partition("/")[2]
        assert leaves(cell.tree) == (f"a/{of_data}", f"t/{of_data}")
