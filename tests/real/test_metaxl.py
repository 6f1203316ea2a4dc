"""MetaXL on the small real model: ways to the hypergradient agree, and a recipe goes through."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("adapters")
pytestmark = [pytest.mark.real, pytest.mark.libraries]

EXPERIMENT = Path(__file__).parents[2] / "docs" / "experiments" / "metaxl-nusax.yaml"
RECIPE = """
version: 1
base_model: {data}/models/xlm-mini-nusantara-2
datasets:
  nusax:
    path: {data}/nusax_senti/<language>
    labels: [negative, neutral, positive]
    limit: {{train: 24}}
steps:
"""
STEP = """
  {name}:
    train: metaxl
    task: {{sequence_classification: {{pooling: mean, max_length: 48}}}}
    data: {{source: {{nusax/ind: 2, nusax/eng: 1}}, train: nusax/jav}}
    adapter: {{config: seq_bn, reduction_factor: 16}}
    with: {{steps: 3, batch_size: 4, learning_rate: 1.0e-3, init: paper, {options}}}
"""
WAYS = {
    "exact": "dtype: float64",
    "split": "dtype: float64, algorithm: split_forward",
    "difference": "dtype: float64, algorithm: split_difference, attention: eager",
    "mixed": "dtype: float64, algorithm: forward_over_reverse",
    "single": "dtype: float32",
    "single_difference": "dtype: float32, algorithm: split_difference",
}


@pytest.fixture(scope="module")
def logs(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, str]]]:
    """The log of each way, line by line."""
    import xlmerge

    folder = tmp_path_factory.mktemp("ways")
    recipe = RECIPE.format(data=shared_data)
    recipe += "".join(STEP.format(name=name, options=options) for name, options in WAYS.items())
    (folder / "ways.yaml").write_text(recipe, encoding="utf-8")
    result = xlmerge.run(folder / "ways.yaml", output=folder / "out")
    found = {}
    for step in result.steps:
        with (step.folder / "log.csv").open(encoding="utf-8", newline="") as file:
            found[step.name] = list(csv.DictReader(file))
    return found


@pytest.mark.parametrize(
    ("way", "tolerance"),
    [
        ("split", 1e-9),
        ("mixed", 1e-9),
        ("difference", 1e-7),
        ("single", 1e-3),
        ("single_difference", 1e-2),
    ],
)
def test_all_ways_give_one_hypergradient(
    logs: dict[str, list[dict[str, str]]], way: str, tolerance: float
) -> None:
    for exact, other in zip(logs["exact"], logs[way], strict=True):
        for name in ("hypergradient_norm", "meta_loss", "gradient_cosine"):
            assert float(other[name]) == pytest.approx(float(exact[name]), rel=tolerance), name
        assert float(exact["hypergradient_norm"]) > 0
        assert 0 < float(exact["network_share"]) < 1


def test_the_experiment_goes_through_in_small(shared_data: Path, tmp_path: Path) -> None:
    import xlmerge

    recipe = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    few = {"language": ["bbc"], "rate": [1e-3], "seed": [3]}
    rows = {
        "joint": "joint_indonesian",
        "network": "network_joint",
        "MetaXL": "metaxl_indonesian/<language>/1e-3",
    }
    steps = [name.partition("/")[0] for name in (*rows.values(), "table")]
    recipe["steps"] = {name: recipe["steps"][name] for name in steps}
    for step in recipe["steps"].values():
        step["for_each"] = {variable: few[variable] for variable in step["for_each"]}
        step["with"]["steps"] = 4
    table = recipe["steps"]["table"]
    table.update(rows=rows, baseline="joint", **{"with": {"bootstrap": 100, "max_length": 96}})
    del recipe["adapters"]
    recipe["base_model"] = str(shared_data / "models" / "xlm-mini-nusantara-2")
    for name in ("nusax", "few"):
        recipe["datasets"][name]["path"] = str(shared_data / "nusax_senti" / "<language>")
    recipe["datasets"]["nusax"]["limit"] = {"test": 40}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    xlmerge.run(tmp_path / "small.yaml", output=tmp_path / "out")
    found = json.loads((tmp_path / "out" / "table" / "table.json").read_text(encoding="utf-8"))
    assert {each["row"] for each in found["scores"]} == set(rows)
    networks = tmp_path / "out" / "metaxl_indonesian" / "bbc" / "1e-3" / "3" / "networks"
    assert [folder.name for folder in networks.iterdir()] == ["nusax-ind"]
    assert not (tmp_path / "out" / "joint_indonesian" / "bbc" / "3" / "networks").exists()
