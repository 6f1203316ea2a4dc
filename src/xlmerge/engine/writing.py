"""The merged adapter as a folder of the library it came from."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.dtypes import DTYPES
from xlmerge.checkpoint.folder import CONFIG, FILES
from xlmerge.checkpoint.json_file import write_json
from xlmerge.checkpoint.tensor_file import create_tensor_file, open_tensor_file
from xlmerge.engine.casting import cast
from xlmerge.engine.heads import HeadOutput
from xlmerge.engine.merging import Merging
from xlmerge.engine.report import MergeReport
from xlmerge.engine.threads import in_order, one_blas_thread, reuse_memory
from xlmerge.errors import CheckpointError, MergeError, SpaceError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout, Covered
    from xlmerge.checkpoint.tensor_file import TensorWriter
    from xlmerge.plan import MergeStepPlan
    from xlmerge.plugin.architecture import Bundle

__all__ = ["write_merge"]

ADAPTERS_VERSION = "adapters.1.3.0"
"""The version of `adapters` whose files these are; older ones would be corrected on loading."""

_LARGE = 16 << 20  # bytes; 8 MAD-X adapters of XLM-R base have 9 MiB in a bundle


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
        progress: Called with the number of bundles done and in all.

    Returns:
        What was measured.

    Raises:
        CheckpointError: An input cannot be read, or holds NaN or infinity.
        MergeError: The result would not be finite, or be without effect.
        OSError: The result cannot be written.
    """
    return _Output(plan, layouts, folder).write(progress)


class _Output:
    """One merged adapter on its way to a folder."""

    def __init__(
        self, plan: MergeStepPlan, layouts: Mapping[str, AdapterLayout], folder: Path
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._report = MergeReport()
        self._merging = Merging(plan, layouts, self._report)
        self._heads = HeadOutput(plan, layouts)
        # The first input is the pattern for the output's form.
        self._template = layouts[plan.inputs[0].name]
        self._keys = self._template.folder.keys
        self._library = self._template.folder.header.format
        self._container = plan.container or self._template.folder.container
        self._path = folder / FILES[self._library, "adapter", self._container]
        self._bundles = self._template.bundles()
        # Numbers of each parameter that the configuration has to tell (rank, scale).
        self._attributes: dict[str, dict[str, float]] = {}

    def write(self, progress: Callable[[int, int], None]) -> MergeReport:
        """Tensors first, since the configuration tells of them."""
        reuse_memory()
        self._merging.check_distinct()
        with (
            one_blas_thread(),
            create_tensor_file(self._path, self._container, self._names()) as writer,
            closing(in_order(self._compute, self._bundles, together=not self._large())) as results,
        ):
            done = 0  # counted by hand: `enumerate` would hold a result while the next is computed
            for (_, bundle), tensors in results:
                self._write_bundle(writer, bundle, tensors)
                del tensors
                progress(done := done + 1, len(self._bundles))
            if self._library == "peft":
                self._heads.write(writer)
        if wanted := self._uneven():
            self._write_again(wanted)
        self._write_config()
        if self._library == "adapters" and self._heads:
            self._heads.write_beside(self._folder, self._container)
        self._report.parameters = len(self._attributes)
        return self._report

    # --- tensors ------------------------------------------------------------------------------

    def _large(self) -> bool:
        """Whether a bundle of all inputs is so large that threads would cost more than they gain.

        Adding up is bound by memory then, and each thread holds inputs, products and a result.
        """
        folder = self._template.folder
        largest = max(
            sum(
                math.prod(folder.header.tensors[key].shape) * DTYPES[folder.dtype(key)].itemsize
                for key in bundle.keys.values()
            )
            for _, bundle in self._bundles
        )
        return largest * len(self._plan.inputs) > _LARGE

    def _names(self) -> list[str]:
        """Every key that will be written."""
        keys = [
            self._spell(key)
            for _, bundle in self._bundles
            for key in (*bundle.output_keys.values(), *bundle.write_copies)
        ]
        return keys + (self._heads.keys() if self._library == "peft" else [])

    def _spell(self, key: str) -> str:
        return self._keys.spell(key, self._plan.name)

    def _compute(self, job: tuple[Covered, Bundle]) -> dict[str, Any]:
        """The merged tensors of one bundle by role; called from several threads."""
        return self._stored(job[1], self._encoded(*job))

    def _encoded(self, covered: Covered, bundle: Bundle) -> Mapping[str, Any]:
        """The merged arrays in working precision; a stranger's faults are told as such."""
        import numpy as np

        try:
            # What overflows is found when it is cast, and reported by name.
            with np.errstate(all="ignore"):
                points = {p.name: self._merging.point(p.name) for p in bundle.parameters}
                for parameter in bundle.parameters:
                    attributes = covered.half.attributes(parameter, points[parameter.name])
                    self._attributes[parameter.name] = dict(attributes)
                return covered.half.encode(bundle, points, {})
        except (MergeError, SpaceError) as error:
            # Neither methods nor spaces know what they work on.
            where = f"{self._plan.name}: {bundle.parameters[0].name}"
            error.message = f"{where}: {error.message}"
            raise
        except XLMergeError:
            raise
        except OSError as error:
            raise CheckpointError(
                f"an input of {self._plan.name} cannot be read: {error.strerror or error}"
            ) from error
        except Exception as error:
            raise MergeError(
                f"{self._merging.method.name} failed on {bundle.parameters[0].name}: "
                f"{type(error).__name__}: {error}",
                hint=f"report it to the author of {self._plan.method.provider} or of "
                f"{covered.in_words}",
            ) from error

    def _stored(self, bundle: Bundle, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Results in the precision of the output, of the shape that the file promises."""
        headers = self._template.folder.header.tensors
        fallback = headers[next(iter(bundle.keys.values()))].dtype
        fixed = not bundle.writes and not any(p.attributes for p in bundle.parameters)
        stored = {}
        for role, array in arrays.items():
            header = headers[bundle.keys[role]] if role in bundle.keys else None
            what = f"{self._plan.name}: {bundle.output_keys[role]}"
            if header is not None and fixed and tuple(array.shape) != header.shape:
                raise MergeError(
                    f"{what}: {self._merging.method.name} gave an array of shape "
                    f"{tuple(array.shape)}; the inputs' has {header.shape}",
                    hint=f"report it to the author of {self._plan.method.provider}",
                )
            dtype = self._plan.dtype or (fallback if header is None else header.dtype)
            stored[role] = cast(array, dtype, what)
        return stored

    def _write_bundle(
        self, writer: TensorWriter, bundle: Bundle, tensors: Mapping[str, Any]
    ) -> None:
        for role, key in bundle.output_keys.items():
            writer.write(self._spell(key), tensors[role])
        for copy, role in bundle.write_copies.items():
            if self._container == "bin":
                writer.alias(self._spell(copy), self._spell(bundle.output_keys[role]))
            else:
                # safetensors has no second names, and without the copies the library reports
                # missing keys.
                writer.write(self._spell(copy), tensors[role])

    # --- numbers that a format stores once ----------------------------------------------------

    def _uneven(self) -> dict[str, dict[str, float]]:
        """The largest of each such number by architecture, if any parameter has another."""
        wanted: dict[str, dict[str, float]] = {}
        uneven = False
        for covered, bundle in self._bundles:
            largest = wanted.setdefault(covered.architecture.name, {})
            for attribute in covered.half.uniform:
                for parameter in bundle.parameters:
                    value = self._attributes[parameter.name][attribute]
                    uneven |= value != largest.get(attribute, value)
                    largest[attribute] = max(value, largest.get(attribute, value))
        return wanted if uneven else {}

    def _write_again(self, wanted: Mapping[str, Mapping[str, float]]) -> None:
        """A second pass over what the first one wrote, encoded for the numbers wanted."""
        first = self._path.with_name(self._path.name + ".first")
        self._path.rename(first)
        with (
            open_tensor_file(first) as source,
            create_tensor_file(self._path, self._container, self._names()) as writer,
        ):
            for covered, bundle in self._bundles:
                tensors: Mapping[str, Any] = {
                    role: source.read(self._spell(key)) for role, key in bundle.output_keys.items()
                }
                want = wanted[covered.architecture.name]
                if want:
                    written = self._as_written(bundle)
                    tensors = covered.half.encode(
                        written, covered.half.decode(written, tensors), want
                    )
                    for parameter in bundle.parameters:
                        self._attributes[parameter.name].update(want)
                self._write_bundle(writer, bundle, tensors)
            if self._library == "peft":
                self._heads.write(writer)
        first.unlink()

    def _as_written(self, bundle: Bundle) -> Bundle:
        """The bundle with the numbers that its parameters have in the output."""
        return replace(
            bundle,
            parameters=tuple(
                replace(parameter, attributes=dict(self._attributes[parameter.name]))
                for parameter in bundle.parameters
            ),
        )

    # --- configuration ------------------------------------------------------------------------

    def _write_config(self) -> None:
        """`adapter_config.json` of the first input, changed where the numbers demand it."""
        header = self._template.folder.header
        config: Mapping[str, Any] = header.config
        for covered in self._template.covered_adapter:
            names = sorted(p.name for bundle in covered.claim.bundles for p in bundle.parameters)
            own = {name: self._attributes[name] for name in names if name in self._attributes}
            config = covered.half.configure(config, own)
        base = self._plan.base.name
        document: dict[str, Any]
        if self._library == "peft":
            document = self._heads.configure_peft(dict(config))
            if base is not None:
                document["base_model_name_or_path"] = base
        else:
            recorded = self._template.folder.document
            if self._plan.dtype is not None and config.get("dtype") is not None:
                # The library would load into the precision of the configuration.
                config = {**config, "dtype": self._plan.dtype}
            document = {
                "config": dict(config),
                "hidden_size": header.hidden_size,
                "model_class": recorded.get("model_class"),
                "model_name": base or recorded.get("model_name"),
                "model_type": header.model_type,
                "name": self._plan.name,
                "version": ADAPTERS_VERSION,
            }
        write_json(self._folder / CONFIG, document, sort_keys=True)
