"""A tiny model, adapters of every kind in folders, and a task that reads plain logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")
pytest.importorskip("adapters")


class Logits:
    """As much of a task as compositions ask for."""

    def prepare(self, model: Any) -> None:
        """No kinds of heads of its own."""

    def head_config(self, labels: Any) -> dict[str, Any]:
        return {"head_type": "classification", "num_labels": len(labels)}

    def outputs(self, live: Any, batch: dict[str, Any]) -> dict[str, Any]:
        return {"logits": live.forward(**batch).logits}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder by adapter; those with `task` in their name have a head for three classes."""
    import adapters.configuration as configs

    from libraries import tiny

    kinds = {
        "lang_a": lambda: configs.SeqBnInvConfig(reduction_factor=2),
        "lang_b": lambda: configs.SeqBnInvConfig(reduction_factor=2),
        "task": lambda: configs.SeqBnConfig(reduction_factor=4),
        "task_b": lambda: configs.SeqBnConfig(reduction_factor=4),
        "plain_a": lambda: configs.SeqBnConfig(reduction_factor=4),
        "plain_b": lambda: configs.SeqBnConfig(reduction_factor=8),
        "cut": lambda: configs.SeqBnConfig(reduction_factor=4, leave_out=[tiny.LAYERS - 1]),
        "other_norm": lambda: configs.SeqBnConfig(reduction_factor=4, original_ln_before=False),
        "lora_a": lambda: configs.LoRAConfig(r=2, alpha=6, intermediate_lora=True),
        "lora_b": lambda: configs.LoRAConfig(r=2, alpha=6, intermediate_lora=True),
        "lora_task": lambda: configs.LoRAConfig(r=2, alpha=6, intermediate_lora=True),
        "ia3_a": configs.IA3Config,
        "ia3_task": configs.IA3Config,
        "dora": lambda: configs.LoRAConfig(r=2, alpha=2, use_dora=True),
        "prefix": lambda: configs.PrefixTuningConfig(flat=True, prefix_length=3),
    }
    root = tmp_path_factory.mktemp("adapters")
    model = tiny.head_model("xlmr")
    for seed, (name, config) in enumerate(kinds.items(), start=1):
        labels = 3 if "task" in name else None
        tiny.add_adapter(model, name, config(), seed=seed, labels=labels)
        model.save_adapter(str(root / name), name, with_head=labels is not None)
    return {name: root / name for name in kinds}


@pytest.fixture(scope="session")
def registry() -> Any:
    from xlmerge.plugin import discover

    return discover(strict=True)


@pytest.fixture
def make_live(registry: Any) -> Any:
    """A live model on the tiny base, in any precision."""
    from libraries import tiny
    from xlmerge.runtime import LiveModel

    def make(dtype: Any = None) -> Any:
        model = tiny.head_model("xlmr")
        if dtype is not None:
            model.to(dtype)
        return LiveModel(model, None, reference="tiny", registry=registry)

    return make


@pytest.fixture
def live(make_live: Any) -> Any:
    return make_live()


@pytest.fixture
def run(live: Any, kept: dict[str, Path], registry: Any) -> Any:
    """Logits of a tree on the common inputs."""
    import torch

    from libraries import tiny
    from xlmerge.plugin.trees import parse_tree
    from xlmerge.runtime.composing import compose

    def running(tree: Any, *, model: Any = None, task: Any = None, **how: Any) -> Any:
        with (
            torch.no_grad(),
            compose(
                model or live, parse_tree(tree), kept, registry, task=task or Logits(), **how
            ) as forward,
        ):
            return forward(dict(tiny.INPUTS))["logits"].clone()

    return running
