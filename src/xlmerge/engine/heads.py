"""The head of the merged adapter: read from one input, or averaged over several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.compatibility import FLOATS
from xlmerge.checkpoint.folder import FILES, HEAD_CONFIG
from xlmerge.checkpoint.json_file import write_json
from xlmerge.checkpoint.tensor_file import create_tensor_file
from xlmerge.engine.casting import cast
from xlmerge.engine.reading import PointReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.checkpoint.tensor_file import Container, TensorWriter
    from xlmerge.plan import MergeStepPlan

__all__ = ["HeadOutput"]


class HeadOutput:
    """The head that the plan asks for; heads keep the precision they are stored in.

    Args:
        plan: What to do.
        layouts: Open adapters by name.
    """

    def __init__(self, plan: MergeStepPlan, layouts: Mapping[str, AdapterLayout]) -> None:
        self._name = plan.name
        self._policy = plan.heads
        self._readers = [PointReader(name, layouts[name], head=True) for name in plan.heads.sources]

    def __bool__(self) -> bool:
        return bool(self._readers)

    def keys(self) -> list[str]:
        """Keys of the head as written."""
        if not self._readers:
            return []
        bundles = self._readers[0].layout.bundles(head=True)
        return [self._spell(key) for _, bundle in bundles for key in bundle.keys.values()]

    def write(self, writer: TensorWriter) -> None:
        """Write the head's tensors.

        Raises:
            CheckpointError: A tensor cannot be read, or is not finite.
            MergeError: The mean is not finite.
        """
        for key, tensor in self._tensors():
            writer.write(self._spell(key), tensor)

    def write_beside(self, folder: Path, container: Container) -> None:
        """Write it as `adapters` keeps it: files of its own, named like the adapter."""
        path = folder / FILES["adapters", "head", container]
        with create_tensor_file(path, container, self.keys()) as writer:
            self.write(writer)
        config = dict(self._readers[0].layout.folder.header.head_config or {})
        if config.get("name") is not None:
            config["name"] = self._name
        write_json(folder / HEAD_CONFIG, config, sort_keys=True)

    def configure_peft(self, config: dict[str, Any]) -> dict[str, Any]:
        """PEFT's settings that belong to the head."""
        keys = ("task_type", "modules_to_save", "auto_mapping")
        if self._readers:
            source = self._readers[0].layout.folder.document
            return {**config, **{key: source[key] for key in keys if key in source}}
        if self._policy.action == "drop":
            # Left as they are, they would make PEFT look for a head, and leave an untrained one in
            # its place.
            return {**config, **{key: None for key in keys[:2] if key in config}}
        return config

    def _tensors(self) -> Iterator[tuple[str, Any]]:
        """Canonical key and array, in the precision it was stored in."""
        if not self._readers:
            return
        first = self._readers[0]
        folder = first.layout.folder
        for covered, bundle in first.layout.bundles(head=True):
            if self._policy.action == "from":
                for key in bundle.keys.values():
                    # Whole modules may hold counters, which are carried as they are.
                    floating = folder.dtype(key) in FLOATS
                    yield key, first.stored(key) if floating else folder.read(key)
                continue
            means = {
                parameter.name: _mean([reader.point(parameter.name) for reader in self._readers])
                for parameter in bundle.parameters
            }
            for role, array in covered.half.encode(bundle, means, {}).items():
                key = bundle.keys[role]
                yield key, cast(array, folder.dtype(key), f"{self._name}: {key}")

    def _spell(self, key: str) -> str:
        folder = self._readers[0].layout.folder
        keys = folder.keys if folder.head_keys is None else folder.head_keys
        return keys.spell(key, self._name)


def _mean(points: list[Any]) -> Any:
    """The plain mean; halves are added first, so that large numbers do not overflow."""
    share = 1 / len(points)
    return sum((point * share for point in points[1:]), start=points[0] * share)
