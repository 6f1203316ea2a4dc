"""Named configurations of language adapters, field by field as `adapters` 1.3 writes them.

They stand here in full, so that the same name means the same adapter whatever the library's
defaults become.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.plugin import LiveHalf

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["live_affine", "live_nice"]

_SEQ_BN_INV: Mapping[str, Any] = {
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
    "inv_adapter": "nice",
    "inv_adapter_reduction_factor": 2,
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
# Section 4.1.1: half as wide as the model. The library's own default for `seq_bn_inv` is a 16th.
_LANGUAGE = {**_SEQ_BN_INV, "reduction_factor": 2}

live_nice = LiveHalf(
    configs={
        "madx_language": _LANGUAGE,
        "seq_bn_inv": _SEQ_BN_INV,
        "double_seq_bn_inv": {
            **_SEQ_BN_INV,
            "mh_adapter": True,
            "non_linearity": "swish",
            "original_ln_before": False,
        },
    }
)
live_affine = LiveHalf(
    configs={"seq_bn_affine": {**_LANGUAGE, "inv_adapter": "affine"}},
    install="xlmerge_madx._modules.install:install",
)
