"""Conformance suites for the authors of plugins; they need pytest and hypothesis.

Inherit from a suite in your tests, name what is to be tested, and pytest runs its laws:

* :class:`MergeMethodSuite` for merge methods,
* :class:`ArchitectureSuite` for adapter architectures,
* :class:`SpaceSuite` for parameter spaces of your own.

The laws themselves are functions named ``check_*``, to be called outside pytest, too.
"""

from __future__ import annotations

import pytest

# Before the modules are imported: then a failed assert shows both of its sides.
pytest.register_assert_rewrite(
    "xlmerge.testing.spaces",
    "xlmerge.testing.method_laws",
    "xlmerge.testing.fresh_process",
    "xlmerge.testing.architecture_laws",
)

from xlmerge.testing.architecture_laws import (  # noqa: E402
    check_encode_inverts_decode,
    check_every_tensor_is_claimed_once,
    check_foreign_folders_are_left_alone,
    check_header_is_enough,
    check_identity_merge,
    check_mean_of_equals,
    check_points_obey_their_space,
)
from xlmerge.testing.architectures import ArchitectureSuite  # noqa: E402
from xlmerge.testing.cases import MergeCase, cases, plain_case  # noqa: E402
from xlmerge.testing.folders import write_adapters_folder, write_peft_folder  # noqa: E402
from xlmerge.testing.fresh_process import (  # noqa: E402
    check_hash_seed_is_irrelevant,
    check_import_is_light,
)
from xlmerge.testing.method_laws import (  # noqa: E402
    check_inputs_unchanged,
    check_lazy_is_eager,
    check_one_adapter_comes_back,
    check_order_is_irrelevant,
    check_parameters_through_yaml,
    check_ranges_are_kept,
    check_result_is_a_point,
    check_same_call_same_bytes,
    check_same_numbers_in,
    check_undeclared_parameter_is_refused,
)
from xlmerge.testing.methods import MergeMethodSuite  # noqa: E402
from xlmerge.testing.samples import SAMPLES, Sample  # noqa: E402
from xlmerge.testing.spaces import SpaceSuite, Values  # noqa: E402

__all__ = [
    "SAMPLES",
    "ArchitectureSuite",
    "MergeCase",
    "MergeMethodSuite",
    "Sample",
    "SpaceSuite",
    "Values",
    "cases",
    "check_encode_inverts_decode",
    "check_every_tensor_is_claimed_once",
    "check_foreign_folders_are_left_alone",
    "check_hash_seed_is_irrelevant",
    "check_header_is_enough",
    "check_identity_merge",
    "check_import_is_light",
    "check_inputs_unchanged",
    "check_lazy_is_eager",
    "check_mean_of_equals",
    "check_one_adapter_comes_back",
    "check_order_is_irrelevant",
    "check_parameters_through_yaml",
    "check_points_obey_their_space",
    "check_ranges_are_kept",
    "check_result_is_a_point",
    "check_same_call_same_bytes",
    "check_same_numbers_in",
    "check_undeclared_parameter_is_refused",
    "plain_case",
    "write_adapters_folder",
    "write_peft_folder",
]
