"""Named configurations to train, field by field as `adapters` 1.3 writes them into a folder.

They stand here in full, so that the same name means the same adapter whatever the library's
defaults become.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.plugin import LiveHalf

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["live_bottleneck", "live_ia3", "live_lora", "live_prefix"]

# Pfeiffer et al. 2020: one bottleneck a layer, behind the feed-forward sub-layer.
_SEQ_BN: Mapping[str, Any] = {
    "mh_adapter": False,
    "output_adapter": True,
    "reduction_factor": 16,
    "non_linearity": "relu",
    "original_ln_before": True,
    "original_ln_after": True,
    "ln_before": False,
    "ln_after": False,
    "init_weights": "bert",
    "init_weights_seed": None,
    "is_parallel": False,
    "scaling": 1.0,
    "use_gating": False,
    "residual_before_ln": True,
    "adapter_residual_before_ln": False,
    "inv_adapter": None,
    "inv_adapter_reduction_factor": None,
    "cross_adapter": False,
    "leave_out": [],
    "dropout": 0.0,
    "phm_layer": False,
    "phm_dim": 4,
    "factorized_phm_W": True,
    "shared_W_phm": False,
    "shared_phm_rule": True,
    "factorized_phm_rule": False,
    "phm_c_init": "normal",
    "phm_init_range": 0.0001,
    "learn_phm": True,
    "hypercomplex_nonlinearity": "glorot-uniform",
    "phm_rank": 1,
    "phm_bias": True,
    "stochastic_depth": 0.0,
}
# Hu et al. 2021, on queries and values.
_LORA: Mapping[str, Any] = {
    "architecture": "lora",
    "selfattn_lora": True,
    "intermediate_lora": False,
    "output_lora": False,
    "leave_out": [],
    "r": 8,
    "alpha": 8,
    "dropout": 0.0,
    "attn_matrices": ["q", "v"],
    "composition_mode": "add",
    "init_weights": "lora",
    "init_weights_seed": None,
    "use_gating": False,
    "use_dora": False,
    "vera_d": None,
    "vera_b": None,
    "dtype": None,
}
_PREFIX: Mapping[str, Any] = {
    "architecture": "prefix_tuning",
    "encoder_prefix": True,
    "cross_prefix": True,
    "leave_out": [],
    "flat": False,
    "prefix_length": 30,
    "bottleneck_size": 512,
    "non_linearity": "tanh",
    "dropout": 0.0,
    "use_gating": False,
    "shared_gating": True,
    "init_weights_seed": None,
}

live_bottleneck = LiveHalf(
    configs={
        "seq_bn": _SEQ_BN,
        # Houlsby et al. 2019: a further one behind the attention.
        "double_seq_bn": {
            **_SEQ_BN,
            "mh_adapter": True,
            "non_linearity": "swish",
            "original_ln_before": False,
        },
        # He et al. 2022: beside the feed-forward sub-layer.
        "par_bn": {
            **_SEQ_BN,
            "reduction_factor": 2,
            "original_ln_before": False,
            "init_weights": "mam_adapter",
            "is_parallel": True,
            "scaling": 4.0,
        },
    }
)
live_lora = LiveHalf(configs={"lora": _LORA})
live_ia3 = LiveHalf(
    configs={
        "ia3": {
            **_LORA,
            "r": 1,
            "alpha": 1,
            "attn_matrices": ["k", "v"],
            "intermediate_lora": True,
            "composition_mode": "scale",
            "init_weights": "ia3",
        }
    }
)
live_prefix = LiveHalf(
    configs={"prefix_tuning": _PREFIX, "prefix_tuning_flat": {**_PREFIX, "flat": True}}
)
