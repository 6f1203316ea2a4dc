# ruff: noqa: S101 - the asserts of a test suite
"""What every adapter architecture has to keep to, one function a law.

Each takes an architecture and a folder of its kind, and raises an ``AssertionError`` that says what
is wrong.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xlmerge.errors import SpaceError
from xlmerge.plugin import FolderHeader, Registered, Registry, TensorHeader, discover
from xlmerge.spaces import ignore
from xlmerge.testing.arrays import dense_numbers, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy import ndarray

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plugin import AdapterArchitecture, Bundle, Claim, FileHalf, Parameter

__all__ = [
    "check_encode_inverts_decode",
    "check_every_tensor_is_claimed_once",
    "check_foreign_folders_are_left_alone",
    "check_header_is_enough",
    "check_identity_merge",
    "check_mean_of_equals",
    "check_points_obey_their_space",
    "registry_with",
]

TOLERANCE = 1e-5
"""The relative rounding error allowed in float32."""


def registry_with(architecture: AdapterArchitecture) -> Registry:
    """What is installed, with the architecture in place of any other of its name."""
    from xlmerge.plugin.registry import Catalogue

    installed = discover()
    others = [
        registered
        for name, registered in installed.architectures.items()
        if name != architecture.name
    ]
    mine: Registered[AdapterArchitecture] = Registered(
        descriptor=architecture, plugin="under test", distribution=None, version=None
    )
    return replace(installed, architectures=Catalogue("adapter architecture", [*others, mine]))


def check_every_tensor_is_claimed_once(architecture: AdapterArchitecture, folder: Path) -> None:
    """With what else is installed, the architecture covers the folder: no tensor twice or never."""
    with _covered(architecture, folder) as layout:
        claim = _claim_of(architecture, layout)
        names = [p.name for bundle in claim.bundles for p in bundle.parameters]
        assert names, f"{architecture.name} claims nothing of {folder}"
        twice = sorted({name for name in names if names.count(name) > 1})
        assert not twice, f"{architecture.name} gives several parameters the name {twice[0]}"
        header = layout.folder.header
        stored = {**header.tensors, **header.head_tensors}
        for bundle in claim.bundles:
            unknown = sorted({*bundle.keys.values(), *bundle.copies} - set(stored))
            assert not unknown, f"{architecture.name} claims {unknown[0]}, which is not there"


def check_header_is_enough(architecture: AdapterArchitecture, folder: Path) -> None:
    """A claim reads no file, and hangs on no order."""
    with _covered(architecture, folder) as layout:
        header = layout.folder.header
        half = _half_of(architecture, layout)
        backwards = {key: header.tensors[key] for key in reversed(list(header.tensors))}
        first, elsewhere, turned = (
            half.claim(each)
            for each in (
                header,
                replace(header, path="/no/such/folder"),
                replace(header, tensors=backwards),
            )
        )
    assert first is not None
    for other, what in ((elsewhere, "the folder's path"), (turned, "the order of tensors")):
        assert other is not None, f"{architecture.name}: without {what} there is no claim"
        assert _by_name(other) == _by_name(first), f"{architecture.name}: {what} changes the claim"
        assert other.meaning == first.meaning


def _by_name(claim: Claim) -> dict[str, Bundle]:
    return {parameter.name: bundle for bundle in claim.bundles for parameter in bundle.parameters}


def check_foreign_folders_are_left_alone(architecture: AdapterArchitecture) -> None:
    """Folders of other kinds get no claim and no error; they are asked about, too."""
    configs: list[dict[str, Any]] = [
        {},
        {"architecture": "no_such_architecture"},
        {"peft_type": "NO_SUCH_TYPE", "r": 8},
    ]
    key = "encoder.layer.0.no_such_module.{name}.weight"
    tensors = {key: TensorHeader(name=key, dtype="float32", shape=(4, 4))}
    for half in architecture.files:
        for config in configs:
            header = FolderHeader(
                path="foreign", format=half.format, name="mine", config=config, tensors=tensors
            )
            claim = half.claim(header)
            assert claim is None or not claim.bundles, (
                f"{architecture.name} claims {key} of a folder with the configuration {config}"
            )


def check_encode_inverts_decode(architecture: AdapterArchitecture, folder: Path) -> None:
    """What is read and written without a merge is the same, bit by bit.

    Where the output is written in another form, that form has to decode to the same points.
    """
    import numpy as np

    with _covered(architecture, folder) as layout:
        half = _half_of(architecture, layout)
        for bundle in _claim_of(architecture, layout).bundles:
            arrays = _arrays(layout, bundle)
            points = dict(half.decode(bundle, arrays))
            expected = {parameter.name for parameter in bundle.parameters}
            assert set(points) == expected, f"decode gives {sorted(points)}, not {sorted(expected)}"
            encoded = half.encode(bundle, points, {})
            assert set(encoded) == set(bundle.output_keys)
            if bundle.writes:
                again = half.decode(replace(bundle, keys=bundle.writes), encoded)
                for name in expected:
                    assert np.array_equal(numbers(again[name]), numbers(points[name])), name
                continue
            for role, array in arrays.items():
                assert np.array_equal(encoded[role], array), (
                    f"{architecture.name}: {bundle.keys[role]} changes on its way through decode "
                    "and encode"
                )


def check_points_obey_their_space(architecture: AdapterArchitecture, folder: Path) -> None:
    """Every parameter's space is a space for the points that are decoded."""
    with _covered(architecture, folder) as layout:
        half = _half_of(architecture, layout)
        for bundle in _claim_of(architecture, layout).bundles:
            points = half.decode(bundle, _arrays(layout, bundle))
            for parameter in bundle.parameters:
                space = half.space([parameter] * 3, ignore)
                _check_space(space, parameter, points[parameter.name])


def _check_space(space: Any, parameter: Parameter, x: Any) -> None:
    name = parameter.name
    delta, same = space.delta(x), space.delta(copy.deepcopy(x))
    dense = space.dense(delta)
    assert tuple(dense.shape) == parameter.shape, f"{name}: dense delta has shape {dense.shape}"
    entries = numbers(dense)
    half = space.restore(space.lincomb([0.5], [delta]))
    lincomb, restore = space.lincomb, space.restore
    expectations: list[tuple[str, Any, ndarray]] = [
        ("restore(delta(x)) is x", restore(delta), entries),
        ("x at weight 1 is x", restore(lincomb([1.0], [delta])), entries),
        ("half x is half", half, entries / 2),
        ("half x and half x is x", restore(lincomb([0.5, 0.5], [delta, same])), entries),
        ("x less x is nothing", restore(lincomb([1.0, -1.0], [delta, same])), 0 * entries),
    ]
    with suppress(SpaceError):  # conditions of a transport that these points do not meet
        still = space.transport(x, half, copy.deepcopy(half), 1.0)
        expectations += [
            ("transport by 0 changes nothing", space.transport(x, half, x, 0.0), entries),
            ("transport from a point to itself changes nothing", still, entries),
        ]
    size = max(1.0, float((entries**2).sum()) ** 0.5)
    for law, found, expected in expectations:
        error = float(((dense_numbers(space, found) - numbers(expected)) ** 2).sum()) ** 0.5
        assert error <= TOLERANCE * size, f"{name}: broken law: {law} (off by {error:.1e})"
    square = float((entries**2).sum())
    assert abs(space.inner(delta, delta) - square) <= TOLERANCE * max(1.0, square), name
    assert space.size(dense) == entries.size, name


def check_identity_merge(
    architecture: AdapterArchitecture, folder: Path, scratch: Path, *, rounding: float = 0.0
) -> None:
    """Merged alone at weight 1, the folder comes out with the same bytes and the same meaning.

    Args:
        architecture: The architecture.
        folder: A folder of its kind.
        scratch: An empty folder.
        rounding: How far a number may move.
    """
    with _covered(architecture, folder) as layout:
        # Keys carry the adapter's name, and the output folder's name becomes the adapter's.
        out = scratch / (layout.folder.header.name or "merged")
        _merge(architecture, [folder], [1.0], out)
        with _covered(architecture, out) as merged:
            assert merged.meaning == layout.meaning
            _check_same_tensors(layout, merged, rounding)
            if not any(bundle.writes for _, bundle in layout.bundles()):
                before, after = layout.folder.header.config, merged.folder.header.config
                assert dict(after) == dict(before), "`configure` changed the configuration"


def _check_same_tensors(layout: AdapterLayout, merged: AdapterLayout, rounding: float) -> None:
    import numpy as np

    for _, bundle in [*layout.bundles(), *layout.bundles(head=True)]:
        if bundle.writes:
            continue  # another form of the same; the mean of equals compares what it does
        for key in bundle.keys.values():
            before, after = layout.folder.read(key), merged.folder.read(key)
            assert after.dtype == before.dtype, f"{key}: {before.dtype} became {after.dtype}"
            assert after.shape == before.shape, f"{key}: {before.shape} became {after.shape}"
            moved = float(np.abs(after.astype(float) - before.astype(float)).max())
            assert moved <= rounding, f"{key} moved by {moved:.1e} in a merge of nothing"


def check_mean_of_equals(architecture: AdapterArchitecture, folder: Path, scratch: Path) -> None:
    """The mean of a folder and its copy does the same, and the written folder is read again."""
    import shutil

    import numpy as np

    from xlmerge.engine.state import AdapterState

    shutil.copytree(folder, scratch / "copy")
    out = scratch / "mean"
    _merge(architecture, [folder, scratch / "copy"], [0.5, 0.5], out, heads="drop")
    with _covered(architecture, folder) as layout, _covered(architecture, out) as merged:
        before, after = AdapterState(layout), AdapterState(merged)
        assert set(after) == set(before)
        for name in before:
            expected, found = numbers(before.dense(name)), numbers(after.dense(name))
            error = float(np.linalg.norm(found - expected))
            assert error <= TOLERANCE * max(1.0, float(np.linalg.norm(expected))), (
                f"{architecture.name}: {name} of the mean of two equal adapters is off by "
                f"{error:.1e}: see to `encode`, `attributes` and `configure`"
            )


def _merge(
    architecture: AdapterArchitecture,
    folders: list[Path],
    weights: list[float],
    output: Path,
    heads: str | None = None,
) -> None:
    from xlmerge.api import merge

    merge(
        "linear",
        folders,
        weights=weights,
        output=output,
        heads=heads,
        registry=registry_with(architecture),
    )


@contextmanager
def _covered(architecture: AdapterArchitecture, folder: Path) -> Iterator[AdapterLayout]:
    from xlmerge.checkpoint.cover import cover
    from xlmerge.checkpoint.folder import open_adapter_folder

    with open_adapter_folder(folder) as opened:
        yield cover(opened, registry_with(architecture))


def _claim_of(architecture: AdapterArchitecture, layout: AdapterLayout) -> Claim:
    for covered in layout.covered:
        if covered.architecture.name == architecture.name:
            return covered.claim
    found = ", ".join(covered.architecture.name for covered in layout.covered)
    raise AssertionError(f"{architecture.name} claims nothing of {layout.folder.path}; {found} do")


def _half_of(architecture: AdapterArchitecture, layout: AdapterLayout) -> FileHalf:
    half = architecture.half(layout.folder.header.format)
    assert half is not None
    return half


def _arrays(layout: AdapterLayout, bundle: Bundle) -> dict[str, Any]:
    from xlmerge.engine.reading import working_precision

    return {role: working_precision(layout.folder.read(key)) for role, key in bundle.keys.items()}
