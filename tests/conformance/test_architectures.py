"""Every registered architecture keeps to the laws of architectures, on every kind of folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.plugin import discover
from xlmerge.testing import ArchitectureSuite, write_adapters_folder, write_peft_folder

if TYPE_CHECKING:
    from pathlib import Path

np = pytest.importorskip("numpy")

ARCHITECTURES = {
    name: item.descriptor for name, item in discover(strict=True).architectures.items()
}
LAYERS, HIDDEN = 2, 8
CLAIMS_NOTHING = {"unsupported"}  # it is there to refuse
TESTED: set[str] = set()


class Suite(ArchitectureSuite):
    """Draws tensors; children say which architecture and write the folder."""

    dtype = np.float32

    def __init_subclass__(cls, name: str = "") -> None:
        cls.architecture = ARCHITECTURES[name] if name else cls.architecture
        TESTED.add(cls.architecture.name)

    def draw(self, **shapes: tuple[int, ...]) -> dict[str, Any]:
        rng = np.random.default_rng(3)
        return {key: rng.standard_normal(shape).astype(self.dtype) for key, shape in shapes.items()}


def everywhere(pattern: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The tensors of one module, in every layer."""
    return {
        pattern.format(layer=layer, name="{name}") + tail: shape
        for layer in range(LAYERS)
        for tail, shape in shapes.items()
    }


BOTTLENECK = {
    "adapter_down.0.weight": (4, HIDDEN),
    "adapter_down.0.bias": (4,),
    "adapter_up.weight": (HIDDEN, 4),
    "adapter_up.bias": (HIDDEN,),
}
BN_CONFIG = {
    "mh_adapter": False,
    "output_adapter": True,
    "reduction_factor": 2,
    "non_linearity": "relu",
    "original_ln_after": True,
}
OUTPUT = "roberta.encoder.layer.{layer}.output.adapters.{name}."


class TestBottleneck(Suite, name="bottleneck"):
    def write(self, folder: Path) -> None:
        tensors = self.draw(**everywhere(OUTPUT, BOTTLENECK))
        write_adapters_folder(folder, BN_CONFIG, tensors, hidden_size=HIDDEN)


class TestDoubleBottleneckInHalfPrecision(Suite, name="bottleneck"):
    dtype = np.float16

    def write(self, folder: Path) -> None:
        attention = OUTPUT.replace(".output.", ".attention.output.")
        shapes = {**everywhere(OUTPUT, BOTTLENECK), **everywhere(attention, BOTTLENECK)}
        config = {**BN_CONFIG, "mh_adapter": True}
        write_adapters_folder(folder, config, self.draw(**shapes), hidden_size=HIDDEN)


class TestNice(Suite, name="nice"):
    networks = ("F", "G")

    def write(self, folder: Path) -> None:
        shapes = {
            f"roberta.invertible_adapters.{{name}}.{network}.{tail}": shape
            for network in self.networks
            for tail, shape in {
                "0.weight": (2, 4),
                "0.bias": (2,),
                "2.weight": (4, 2),
                "2.bias": (4,),
            }.items()
        }
        kind = {"inv_adapter": self.architecture.name, "inv_adapter_reduction_factor": 2}
        tensors = self.draw(**shapes, **everywhere(OUTPUT, BOTTLENECK))
        write_adapters_folder(folder, {**BN_CONFIG, **kind}, tensors, hidden_size=HIDDEN)


class TestAffine(TestNice, name="affine"):
    networks = ("S1", "T1", "S2", "T2")


class TestLora(Suite, name="lora"):
    def write(self, folder: Path) -> None:
        module = "roberta.encoder.layer.{layer}.attention.self.query.loras.{name}."
        shapes = everywhere(module, {"lora_A": (2, HIDDEN), "lora_B": (HIDDEN, 2)})
        config = {"architecture": "lora", "r": 2, "alpha": 6, "composition_mode": "add"}
        write_adapters_folder(folder, config, self.draw(**shapes), hidden_size=HIDDEN)


PEFT = "base_model.model.roberta.encoder.layer.{layer}.attention.self.query."
PEFT_LORA = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules": ["query"]}


class TestLoraOfPeft(Suite, name="lora"):
    def config(self) -> dict[str, Any]:
        return PEFT_LORA

    def write(self, folder: Path) -> None:
        shapes = everywhere(PEFT, {"lora_A.weight": (2, HIDDEN), "lora_B.weight": (6, 2)})
        write_peft_folder(folder, self.config(), self.draw(**shapes))


class TestRankStabilisedLora(TestLoraOfPeft, name="lora"):
    def config(self) -> dict[str, Any]:
        return {**PEFT_LORA, "use_rslora": True}


class TestLoraWithPatterns(TestLoraOfPeft, name="lora"):
    def config(self) -> dict[str, Any]:
        return {**PEFT_LORA, "alpha_pattern": {"layer.1.attention.self.query": 3}}


class TestIa3(Suite, name="ia3"):
    def write(self, folder: Path) -> None:
        module = "roberta.encoder.layer.{layer}.attention.self.key.loras.{name}."
        config = {"architecture": "lora", "r": 1, "alpha": 1, "composition_mode": "scale"}
        tensors = self.draw(**everywhere(module, {"lora_B": (HIDDEN, 1)}))
        write_adapters_folder(folder, config, tensors, hidden_size=HIDDEN)


class TestIa3OfPeft(Suite, name="ia3"):
    def write(self, folder: Path) -> None:
        config = {"peft_type": "IA3", "target_modules": ["query"], "feedforward_modules": []}
        write_peft_folder(folder, config, self.draw(**everywhere(PEFT, {"ia3_l": (HIDDEN, 1)})))


class TestFlatPrefix(Suite, name="prefix"):
    def write(self, folder: Path) -> None:
        key = "prefix_tuning.prefix_tunings.{name}.self_prefix.control_trans"
        config = {"architecture": "prefix_tuning", "prefix_length": 3, "flat": True}
        tensors = self.draw(**{key: (3 * LAYERS * 2 * HIDDEN,)})
        write_adapters_folder(folder, config, tensors, hidden_size=HIDDEN)


class TestReparametrisedPrefix(Suite, name="prefix"):
    def write(self, folder: Path) -> None:
        root = "prefix_tuning.prefix_tunings.{name}.self_prefix."
        shapes = {
            "wte.weight": (3, 4),
            "control_trans.0.weight": (5, 4),
            "control_trans.0.bias": (5,),
            "control_trans.2.weight": (LAYERS * 2 * HIDDEN, 5),
            "control_trans.2.bias": (LAYERS * 2 * HIDDEN,),
        }
        config = {
            "architecture": "prefix_tuning",
            "prefix_length": 3,
            "flat": False,
            "non_linearity": "tanh",
            "bottleneck_size": 5,
        }
        tensors = self.draw(**{root + tail: shape for tail, shape in shapes.items()})
        write_adapters_folder(folder, config, tensors, hidden_size=HIDDEN)


class TestPrefixOfPeft(Suite, name="prefix"):
    def write(self, folder: Path) -> None:
        config = {
            "peft_type": "PREFIX_TUNING",
            "num_virtual_tokens": 3,
            "num_layers": LAYERS,
            "token_dim": HIDDEN,
            "prefix_projection": False,
        }
        tensors = self.draw(prompt_embeddings=(3, LAYERS * 2 * HIDDEN))
        write_peft_folder(folder, config, tensors)


class TestHead(Suite, name="head"):
    def write(self, folder: Path) -> None:
        write_adapters_folder(
            folder,
            BN_CONFIG,
            self.draw(**everywhere(OUTPUT, BOTTLENECK)),
            hidden_size=HIDDEN,
            head_config={"config": {"head_type": "classification", "num_labels": 3}},
            head_tensors=self.draw(
                **{"heads.{name}.1.weight": (3, HIDDEN), "heads.{name}.1.bias": (3,)}
            ),
        )


class TestHeadOfPeft(Suite, name="head"):
    def write(self, folder: Path) -> None:
        shapes = everywhere(PEFT, {"lora_A.weight": (2, HIDDEN), "lora_B.weight": (6, 2)})
        shapes["base_model.model.classifier.out_proj.weight"] = (3, HIDDEN)
        write_peft_folder(folder, {**PEFT_LORA, "task_type": "SEQ_CLS"}, self.draw(**shapes))


class TestFull(Suite, name="full"):
    def write(self, folder: Path) -> None:
        stem = "roberta.shared_parameters.{name}."
        shapes: dict[str, tuple[int, ...]] = {
            f"{stem}embeddings.word_embeddings.weight": (12, HIDDEN)
        }
        for layer in range(LAYERS):
            dense = f"{stem}encoder.layer.{layer}.output.dense."
            shapes |= {f"{dense}weight": (HIDDEN, HIDDEN), f"{dense}bias": (HIDDEN,)}
        config = {"architecture": "full", "embeddings": True, "leave_out": []}
        write_adapters_folder(folder, config, self.draw(**shapes), hidden_size=HIDDEN)


class TestRtn(Suite, name="rtn"):
    def write(self, folder: Path) -> None:
        stem = "roberta.shared_parameters.{name}.2."
        shapes = {
            f"{stem}down.weight": (2, HIDDEN),
            f"{stem}down.bias": (2,),
            f"{stem}up.weight": (HIDDEN + 1, 2),
            f"{stem}up.bias": (HIDDEN + 1,),
        }
        config = {"architecture": "rtn", "layers": [-1], "reduction_factor": 2, "gate": True}
        config |= {"stop_gradient": True, "init": "identity"}
        write_adapters_folder(folder, config, self.draw(**shapes), hidden_size=HIDDEN)


def test_no_architecture_is_left_out() -> None:
    assert set(ARCHITECTURES) == TESTED | CLAIMS_NOTHING
