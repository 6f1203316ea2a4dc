"""Conformance suites for the authors of plugins; they need pytest and hypothesis.

Inherit from a suite in your tests, name what is to be tested, and pytest runs its laws:

* :class:`MergeMethodSuite` for merge methods,
* :class:`ArchitectureSuite` for adapter architectures,
* :class:`SpaceSuite` for parameter spaces of your own,
* :class:`CompositionRuleSuite` for composition rules, :class:`TaskSuite` for tasks and
  :class:`TrainerSuite` for trainers; these run a tiny model and need the libraries.

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
    "xlmerge.testing.light_imports",
    "xlmerge.testing.composition_laws",
    "xlmerge.testing.task_laws",
    "xlmerge.testing.trainer_laws",
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
from xlmerge.testing.bench import Bench, registry_with  # noqa: E402
from xlmerge.testing.cases import MergeCase, cases, plain_case  # noqa: E402
from xlmerge.testing.composition_laws import (  # noqa: E402
    check_identity,
    check_inputs_do_not_mix,
    check_model_is_left_alone,
    check_same_composition_same_numbers,
    check_tree_is_accepted,
    check_wrong_nodes_are_refused,
)
from xlmerge.testing.compositions import CompositionRuleSuite  # noqa: E402
from xlmerge.testing.folders import write_adapters_folder, write_peft_folder  # noqa: E402
from xlmerge.testing.fresh_process import (  # noqa: E402
    check_hash_seed_is_irrelevant,
    check_import_is_light,
)
from xlmerge.testing.light_imports import check_module_is_light  # noqa: E402
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
from xlmerge.testing.task_case import TaskCase  # noqa: E402
from xlmerge.testing.task_laws import (  # noqa: E402
    check_features_are_plain,
    check_head_survives_saving,
    check_loss_adds_up,
    check_loss_trains_the_head,
    check_metrics_are_vectorised,
    check_missing_columns_are_refused,
    check_padding_is_irrelevant,
    check_predictions,
    check_right_answers_are_best,
    check_statistics_belong_to_rows,
    check_unknown_labels_are_refused,
)
from xlmerge.testing.tasks import TaskSuite  # noqa: E402
from xlmerge.testing.trainer_laws import (  # noqa: E402
    TrainerCase,
    TrainingRun,
    check_a_whole_adapter_is_written,
    check_another_seed_gives_other_numbers,
    check_nothing_else_changes,
    check_random_state_is_left_alone,
    check_report_is_plain,
    check_same_seed_same_numbers,
    check_training_changes_the_adapter,
    run_training,
)
from xlmerge.testing.trainers import TrainerSuite  # noqa: E402

__all__ = [
    "SAMPLES",
    "ArchitectureSuite",
    "Bench",
    "CompositionRuleSuite",
    "MergeCase",
    "MergeMethodSuite",
    "Sample",
    "SpaceSuite",
    "TaskCase",
    "TaskSuite",
    "TrainerCase",
    "TrainerSuite",
    "TrainingRun",
    "Values",
    "cases",
    "check_a_whole_adapter_is_written",
    "check_another_seed_gives_other_numbers",
    "check_encode_inverts_decode",
    "check_every_tensor_is_claimed_once",
    "check_features_are_plain",
    "check_foreign_folders_are_left_alone",
    "check_hash_seed_is_irrelevant",
    "check_head_survives_saving",
    "check_header_is_enough",
    "check_identity",
    "check_identity_merge",
    "check_import_is_light",
    "check_inputs_do_not_mix",
    "check_inputs_unchanged",
    "check_lazy_is_eager",
    "check_loss_adds_up",
    "check_loss_trains_the_head",
    "check_mean_of_equals",
    "check_metrics_are_vectorised",
    "check_missing_columns_are_refused",
    "check_model_is_left_alone",
    "check_module_is_light",
    "check_nothing_else_changes",
    "check_one_adapter_comes_back",
    "check_order_is_irrelevant",
    "check_padding_is_irrelevant",
    "check_parameters_through_yaml",
    "check_points_obey_their_space",
    "check_predictions",
    "check_random_state_is_left_alone",
    "check_ranges_are_kept",
    "check_report_is_plain",
    "check_result_is_a_point",
    "check_right_answers_are_best",
    "check_same_call_same_bytes",
    "check_same_composition_same_numbers",
    "check_same_numbers_in",
    "check_same_seed_same_numbers",
    "check_statistics_belong_to_rows",
    "check_training_changes_the_adapter",
    "check_tree_is_accepted",
    "check_undeclared_parameter_is_refused",
    "check_unknown_labels_are_refused",
    "check_wrong_nodes_are_refused",
    "plain_case",
    "registry_with",
    "run_training",
    "write_adapters_folder",
    "write_peft_folder",
]
