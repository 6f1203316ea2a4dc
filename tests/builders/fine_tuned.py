"""Models whose parameters all changed: as an adapter, and written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders import tiny_training as tiny

if TYPE_CHECKING:
    from xlmerge.runtime import LiveModel

FULL: dict[str, Any] = {"architecture": "full", "embeddings": True, "leave_out": []}
HEAD = {
    "head_type": "masked_lm",
    "vocab_size": None,
    "embedding_size": None,
    "layers": 2,
    "activation_function": "gelu",
    "layer_norm": True,
    "bias": True,
    "shift_labels": False,
    "label2id": None,
}
CONFIGS = {
    name: dict(config)
    for each in tiny.registry().architectures.values()
    if each.descriptor.live
    for name, config in each.descriptor.live.configs.items()
}


def moved(live: LiveModel, name: str, seed: int = 3, scale: float = 0.1) -> None:
    """Give all parameters of an adapter random values."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in live.adapter_parameters(name).values():
            change = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(scale * change.to(parameter.dtype))


def made(*names: str, config: dict[str, Any] = FULL, **options: Any) -> LiveModel:
    """A tiny model in double precision with adapters that change it."""
    from xlmerge.runtime.tiny import tiny_model

    live = tiny_model(tiny.registry(), **options)
    live.model.double()
    for seed, name in enumerate(names):
        live.add_adapter(name, config, seed=seed)
        moved(live, name, seed)
    return live


def tokens() -> dict[str, Any]:
    import torch

    ids = torch.randint(4, 90, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    ids[2, 5:], mask[2, 5:] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}


def differences(live: LiveModel, name: str) -> dict[str, Any]:
    """By the names of the base model's parameters."""
    found = live.adapter_parameters(name)
    return {key.split(f".shared_parameters.{name}.")[1]: p.detach() for key, p in found.items()}


def written(live: LiveModel, *names: str) -> LiveModel:
    """Another model, to whose weights the differences were added."""
    import torch

    from xlmerge.runtime import LiveModel
    from xlmerge.runtime.tiny import tiny_model

    other = tiny_model(tiny.registry(), causal=live.model.config.model_type == "gpt2").model
    other.double()
    other.load_state_dict(
        {k: v for k, v in live.model.state_dict().items() if k in other.state_dict()}
    )
    own = dict(other.base_model.named_parameters())
    with torch.no_grad():
        for name in names:
            for key, difference in differences(live, name).items():
                own[key].add_(difference)
    return LiveModel(other, live.tokenizer, reference="written", registry=tiny.registry())


def states(live: LiveModel, block: Any) -> Any:
    """Last hidden states with a block active."""
    import torch

    with torch.no_grad(), live.activated(block):
        return live.encode(**tokens())


def close(one: Any, other: Any, tolerance: float = 1e-10) -> None:
    """Equal but for rounding."""
    import torch

    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
