"""Prediction heads that lie apart from their adapter: a folder, or a file of one linear layer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlmerge.checkpoint.json_file import read_json
from xlmerge.checkpoint.tensor_file import open_tensor_file
from xlmerge.errors import CheckpointError, ModelError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plan.request import HeadRequest
    from xlmerge.plugin.registry import Registry
    from xlmerge.plugin.tasks import Task
    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import TaskLogic

__all__ = ["labels_of_head", "load_head_apart"]

HEAD_CONFIG = "head_config.json"


def load_head_apart(live: LiveModel, request: HeadRequest, registry: Registry) -> str:
    """Load a head into a model, all of it or nothing; which head is active stays as it was.

    Args:
        live: The model.
        request: A folder that the adapters library wrote, or a file with ``weight``
            ``[classes, hidden]`` and, if there is one, ``bias`` ``[classes]``. What such a layer is
            put on is said by the task's options (``pooling``).
        registry: Has the task.

    Returns:
        Its name in the model. Asked for once more, the same head is not loaded again.

    Raises:
        CheckpointError: There is nothing at its path, or it cannot be read.
        ModelError: It does not fit the model, the task or the labels.
        ParameterError: The task has no such option.
    """
    path = (request.start / Path(request.path).expanduser()).absolute()
    name = _name_in_model(request, path)
    if name in live.model.heads:
        return name
    where = f"head {request.name}: {path}"
    if not path.exists():
        raise CheckpointError(
            f"{where}: there is no such file or folder", hint="paths start from the recipe's folder"
        )
    logic = _logic(registry.task(request.task).descriptor, request)
    logic.prepare(live.model)
    before = live.model.active_head
    try:
        if path.is_dir():
            _load_folder(live, name, path, logic, request.labels, where)
        else:
            _load_file(live, name, path, logic, request.labels, where)
    finally:
        live.set_head(before)  # the library activates heads that it does not know
    return name


def labels_of_head(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a head's classes in order; empty if it has none, or none but the library's own.

    Args:
        config: Its configuration. In a file the names are sorted, so only the numbers tell.
    """
    numbers = config.get("label2id") or {}
    found = tuple(sorted(numbers, key=lambda label: int(numbers[label])))
    return () if found == tuple(f"LABEL_{at}" for at in range(len(found))) else found


def _name_in_model(request: HeadRequest, path: Path) -> str:
    """A name that no other head has: neither another recipe's, nor the same file read otherwise."""
    what = [str(path.resolve()), request.task, list(request.labels), dict(request.options)]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
    return f"head-{re.sub(r'[^A-Za-z0-9_-]+', '_', request.name)[:60]}-{digest[:8]}"


def _logic(task: Task, request: HeadRequest) -> TaskLogic:
    """The task with the head's options."""
    specs = {spec.name: spec for spec in task.parameters}
    for option in request.options:
        if option not in specs:
            raise ParameterError(
                f"head {request.name}: the task {task.name} has no option `{option}`; it has "
                f"{', '.join(specs) or 'none'}"
            )
    options = {name: specs[name].check(value) for name, value in request.options.items()}
    logic: TaskLogic = task.function(**options)
    return logic


def _load_folder(
    live: LiveModel,
    name: str,
    path: Path,
    logic: TaskLogic,
    labels: Sequence[str],
    where: str,
) -> None:
    """Load what the adapters library wrote, if it is a head for the task."""
    if not (path / HEAD_CONFIG).is_file():
        raise CheckpointError(
            f"{where}: the folder holds no {HEAD_CONFIG}",
            hint="give a folder that `save_head` wrote, or the file of a linear layer",
        )
    config = read_json(path / HEAD_CONFIG).get("config")
    if not isinstance(config, dict):
        raise ModelError(
            f"{where}: the head of a model with a fixed head, which has no configuration",
            hint="load it into an `AutoAdapterModel` and save it from there",
        )
    own = labels_of_head(config)
    expected = logic.head_config(labels or own)
    if config.get("head_type") != expected["head_type"]:
        raise ModelError(
            f"{where}: expected a head of type {expected['head_type']}, found "
            f"{config.get('head_type')}",
            hint="the options of the head say what it is put on, as `pooling: mean`",
        )
    if labels and own and tuple(labels) != own:
        raise ModelError(
            f"{where}: has the classes {', '.join(own)}; the recipe gives it {', '.join(labels)}",
            hint="leave `labels` out: the head knows its own",
        )
    for count in ("num_labels", "num_choices"):
        if labels and count in expected and config.get(count) != len(labels):
            raise ModelError(
                f"{where}: has {config.get(count)} classes; the recipe names {len(labels)}: "
                f"{', '.join(labels)}"
            )
    live.load_head(name, path)


def _load_file(
    live: LiveModel,
    name: str,
    path: Path,
    logic: TaskLogic,
    labels: Sequence[str],
    where: str,
) -> None:
    """Put the weights of a linear layer into a new head of the task."""
    config = logic.head_config(labels)
    if not config.get("num_labels", config.get("num_choices", 1)):
        raise ModelError(
            f"{where}: the file does not say what its classes are called",
            hint="give the head its `labels: [...]` in the order of the rows of its weight",
        )
    tensors = _linear(path, where)
    live.add_head(name, config)
    try:
        _fill(live.model.heads[name], tensors, f"{where}: ")
    except ModelError:
        live.delete_head(name)
        raise


def _fill(head: torch.nn.Module, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Copy the weights of a linear layer into the only one that a head has."""
    layers = [module for module in head.modules() if isinstance(module, torch.nn.Linear)]
    if len(layers) != 1:
        raise ModelError(
            f"{where}one linear layer cannot be a head of {len(layers)} layers",
            hint="options of the head that give it one: `layers: 1`",
        )
    [layer] = layers
    expected = {"weight": tuple(layer.weight.shape), "bias": tuple(layer.bias.shape)}
    for part, tensor in tensors.items():
        if tuple(tensor.shape) != expected[part]:
            raise ModelError(
                f"{where}expected a {part} of shape {expected[part]} (classes, then the model's "
                f"width), found {tuple(tensor.shape)}",
                hint="the `labels` of the head, or its base model, are others",
            )
    with torch.no_grad():
        layer.weight.copy_(tensors["weight"])
        # A layer without a bias adds nothing; what the new one was made with is random.
        layer.bias.copy_(tensors.get("bias", torch.zeros(())))


def _linear(path: Path, where: str) -> dict[str, torch.Tensor]:
    """``weight``, and ``bias`` if there is one, in float32."""
    found: dict[str, torch.Tensor] = {}
    with open_tensor_file(path) as file:
        parts = [key.rpartition(".")[2] for key in file.headers]
        if sorted(parts) not in (["weight"], ["bias", "weight"]):
            raise ModelError(
                f"{where}: expected the `weight` of a linear layer and its `bias`, found "
                f"{', '.join(file.headers) or 'nothing'}"
            )
        for key, part in zip(file.headers, parts, strict=True):
            values = np.asarray(file.read(key), dtype=np.float32)
            if not np.isfinite(values).all():
                raise ModelError(f"{where}: {key} holds numbers that are not finite")
            found[part] = torch.from_numpy(values)
    return found
