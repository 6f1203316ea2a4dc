"""The merged adapter as a folder of the library it came from."""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.folder import CONFIG, FILES, HEAD_CONFIG
from xlmerge.checkpoint.tensor_file import create_tensor_file, open_tensor_file
from xlmerge.engine.merging import Merging
from xlmerge.engine.reading import PointReader
from xlmerge.engine.report import MergeReport
from xlmerge.errors import MergeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout, Covered
    from xlmerge.checkpoint.tensor_file import Container, TensorWriter
    from xlmerge.plan import MergeStepPlan
    from xlmerge.plugin.architecture import Bundle

__all__ = ["write_merge"]

ADAPTERS_VERSION = "adapters.1.3.0"
"""The version of `adapters` whose files these are; older ones would be corrected again on loading."""

Written = dict[str, dict[str, float]]
Job = tuple["Covered", "Bundle"]


def write_merge(
    plan: MergeStepPlan,
    layouts: Mapping[str, AdapterLayout],
    folder: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> MergeReport:
    """Merge, and write the result.

    Args:
        plan: What to do.
        layouts: Open adapters by name.
        folder: An empty folder.
        progress: Called with the number of tensors groups done and in all.

    Returns:
        What was measured.

    Raises:
        CheckpointError: An input cannot be read, or holds NaN or infinity.
        MergeError: The result would not be finite, or be without effect.
    """
    report = MergeReport()
    merging = Merging(plan, layouts, report)
    merging.check_distinct()
    template = merging.readers[0].layout
    container = plan.container or template.folder.container
    library = template.folder.header.format
    jobs = template.bundles()
    heads = _HeadWork(plan, layouts)
    written: Written = {}
    path = folder / FILES[library, "adapter", container]
    names = _names(plan, template, jobs) + (heads.keys(plan) if library == "peft" else [])
    total = len(jobs)

    def compute(job: Job) -> Mapping[str, Any]:
        covered, bundle = job
        points = {parameter.name: merging.point(parameter.name) for parameter in bundle.parameters}
        for parameter in bundle.parameters:
            written[parameter.name] = dict(covered.half.attributes(parameter, points[parameter.name]))
        return _stored(plan, template, covered, bundle, points, {})

    with _one_blas_thread(), create_tensor_file(path, container, names) as writer:
        for done, (job, tensors) in enumerate(_in_order(compute, jobs), start=1):
            _write(writer, plan, template, job[1], tensors, container)
            progress(done, total)
        if library == "peft":
            heads.write(writer, plan)
    report.parameters = len(written)
    _make_uniform(plan, template, jobs, path, container, written, heads if library == "peft" else None)
    _write_config(plan, template, folder, written, heads)
    if library == "adapters" and heads.source is not None:
        heads.write_beside(plan, folder, container)
    return report


def _names(plan: MergeStepPlan, template: AdapterLayout, jobs: Iterable[Job]) -> list[str]:
    keys = template.folder.keys
    return [
        keys.spell(key, plan.name)
        for _, bundle in jobs
        for key in (*bundle.output_keys.values(), *bundle.write_copies)
    ]


def _write(
    writer: TensorWriter,
    plan: MergeStepPlan,
    template: AdapterLayout,
    bundle: Bundle,
    tensors: Mapping[str, Any],
    container: Container,
) -> None:
    keys = template.folder.keys
    for role, key in bundle.output_keys.items():
        writer.write(keys.spell(key, plan.name), tensors[role])
    for copy, role in bundle.write_copies.items():
        if container == "bin":
            writer.alias(keys.spell(copy, plan.name), keys.spell(bundle.output_keys[role], plan.name))
        else:  # safetensors has no second names, and without the copies the library reports missing keys
            writer.write(keys.spell(copy, plan.name), tensors[role])


def _stored(  # noqa: PLR0913 - one tensor's way to the file
    plan: MergeStepPlan,
    template: AdapterLayout,
    covered: Covered,
    bundle: Bundle,
    points: Mapping[str, Any],
    want: Mapping[str, float],
) -> dict[str, Any]:
    """Points as arrays by role, in the precision of the output."""
    headers = template.folder.header.tensors
    fallback = headers[next(iter(bundle.keys.values()))].dtype
    arrays = {}
    for role, array in covered.half.encode(bundle, points, want).items():
        dtype = plan.dtype or (headers[bundle.keys[role]].dtype if role in bundle.keys else fallback)
        arrays[role] = _cast(array, dtype, f"{plan.name}: {bundle.output_keys[role]}")
    return arrays


def _cast(array: Any, dtype: str, what: str) -> Any:
    """An array in the precision of the output.

    Raises:
        MergeError: A number is not finite there.
    """
    import numpy as np

    from xlmerge.checkpoint.dtypes import numpy_dtype

    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(array).astype(numpy_dtype(dtype), copy=False)
    if not np.isfinite(cast).all():
        if np.isfinite(array).all():
            raise MergeError(
                f"{what}: {np.abs(array).max():.3g} is too large for {dtype}", hint="write `dtype: float32`"
            )
        raise MergeError(f"{what}: the result is not finite", hint="smaller weights, or check the inputs with `xlmerge inspect`")
    return cast


def _in_order(compute: Callable[[Job], Any], jobs: list[Job]) -> Iterator[tuple[Job, Any]]:
    """Compute with a few threads, hand over in order, and hold no more than a few results."""
    workers = max(1, min(4, os.cpu_count() or 1))
    with ThreadPoolExecutor(workers, thread_name_prefix="xlmerge") as pool:
        waiting: deque[tuple[Job, Future[Any]]] = deque()
        try:
            for job in jobs:
                waiting.append((job, pool.submit(compute, job)))
                if len(waiting) > workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _one_blas_thread() -> Any:
    """Many small factorisations run fastest with one BLAS thread each; the threads here are over tensors."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def _make_uniform(  # noqa: PLR0913 - a second pass over what the first one wrote
    plan: MergeStepPlan,
    template: AdapterLayout,
    jobs: list[Job],
    path: Path,
    container: Container,
    written: Written,
    heads: _HeadWork | None,
) -> None:
    """Encode again where a format stores once what came out different for each parameter."""
    wants: dict[str, dict[str, float]] = {}
    for covered, bundle in jobs:
        for attribute in covered.half.uniform:
            values = [written[p.name][attribute] for p in bundle.parameters]
            want = wants.setdefault(covered.architecture.name, {})
            want[attribute] = max(want.get(attribute, values[0]), *values)
    uneven = any(
        written[parameter.name][attribute] != wants[covered.architecture.name][attribute]
        for covered, bundle in jobs
        for parameter in bundle.parameters
        for attribute in covered.half.uniform
    )
    if not uneven:
        return
    first = path.with_name(path.name + ".first")
    path.rename(first)
    keys = template.folder.keys
    names = _names(plan, template, jobs) + (heads.keys(plan) if heads else [])
    with open_tensor_file(first) as source, create_tensor_file(path, container, names) as writer:
        for covered, bundle in jobs:
            tensors: Mapping[str, Any] = {
                role: source.read(keys.spell(key, plan.name)) for role, key in bundle.output_keys.items()
            }
            want = wants.get(covered.architecture.name, {})
            if want:
                tensors = covered.half.encode(bundle, covered.half.decode(bundle, tensors), want)
                for parameter in bundle.parameters:
                    written[parameter.name].update(want)
            _write(writer, plan, template, bundle, tensors, container)
        if heads is not None:
            heads.write(writer, plan)
    first.unlink()


def _write_config(
    plan: MergeStepPlan, template: AdapterLayout, folder: Path, written: Written, heads: _HeadWork
) -> None:
    """`adapter_config.json` of the first input, changed where the numbers demand it."""
    header = template.folder.header
    config: Mapping[str, Any] = header.config
    for covered in template.covered:
        own = {p.name for bundle in covered.claim.bundles for p in bundle.parameters if p.part != "head"}
        if own:
            config = covered.half.configure(config, {name: written[name] for name in sorted(own)})
    document: dict[str, Any]
    if header.format == "peft":
        document = heads.configure_peft(dict(config))
        if plan.base.name is not None:
            document["base_model_name_or_path"] = plan.base.name
    else:
        document = {
            "config": config,
            "hidden_size": header.hidden_size,
            "model_class": template.folder.document.get("model_class"),
            "model_name": plan.base.name or template.folder.document.get("model_name"),
            "model_type": header.model_type,
            "name": plan.name,
            "version": ADAPTERS_VERSION,
        }
    _write_json(folder / CONFIG, document)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, sort_keys=True, ensure_ascii=False)
        file.write("\n")


class _HeadWork:
    """The head of the output: read from one input, or averaged over several."""

    def __init__(self, plan: MergeStepPlan, layouts: Mapping[str, AdapterLayout]) -> None:
        self.policy = plan.heads
        self.readers = [PointReader(name, layouts[name], head=True) for name in plan.heads.sources]
        self.source = self.readers[0].layout if self.readers else None

    def _tensors(self) -> Iterator[tuple[str, Any]]:
        """Canonical key and array, in the precision it was stored in."""
        if self.source is None:
            return
        for covered, bundle in self.source.bundles(head=True):
            [(role, key)] = bundle.keys.items()
            if self.policy.action == "from":
                yield key, self.source.folder.read(key)
                continue
            [parameter] = bundle.parameters
            points = [reader.point(parameter.name) for reader in self.readers]
            folder = self.source.folder
            dtype = (folder.header.tensors.get(key) or folder.header.head_tensors[key]).dtype
            mean = sum(points[1:], start=points[0]) / len(points)
            yield key, _cast(covered.half.encode(bundle, {parameter.name: mean}, {})[role], dtype, f"head: {key}")

    def _spell(self, key: str, name: str) -> str:
        assert self.source is not None  # noqa: S101 - for the type checker; callers have looked
        folder = self.source.folder
        keys = folder.head_keys if folder.head_keys is not None else folder.keys
        return keys.spell(key, name)

    def keys(self, plan: MergeStepPlan) -> list[str]:
        """Keys of the head as written."""
        if self.source is None:
            return []
        return [
            self._spell(key, plan.name) for _, bundle in self.source.bundles(head=True) for key in bundle.keys.values()
        ]

    def write(self, writer: TensorWriter, plan: MergeStepPlan) -> None:
        """Write the head's tensors."""
        for key, tensor in self._tensors():
            writer.write(self._spell(key, plan.name), tensor)

    def write_beside(self, plan: MergeStepPlan, folder: Path, container: Container) -> None:
        """Write the head as `adapters` keeps it: a file and a configuration of its own, named like the adapter."""
        assert self.source is not None  # noqa: S101 - as above
        path = folder / FILES["adapters", "head", container]
        with create_tensor_file(path, container, self.keys(plan)) as writer:
            self.write(writer, plan)
        config = dict(self.source.folder.header.head_config or {})
        if config.get("name") is not None:
            config["name"] = plan.name
        _write_json(folder / HEAD_CONFIG, config)

    def configure_peft(self, config: dict[str, Any]) -> dict[str, Any]:
        """PEFT's settings that belong to the head."""
        if self.source is not None:
            source = self.source.folder.document
            return {**config, **{key: source.get(key) for key in ("task_type", "modules_to_save", "auto_mapping")}}
        if self.policy.action == "drop":
            # Left as they are, they would make PEFT look for a head and leave an untrained one in its place.
            return {**config, "task_type": None, "modules_to_save": None}
        return config
