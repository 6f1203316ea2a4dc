"""What an adapter folder is, in figures."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.dtypes import DTYPES
from xlmerge.checkpoint.provenance import read_provenance
from xlmerge.engine.reading import PointReader
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plugin.headers import TensorHeader

__all__ = ["Inspection", "SiteFigures", "inspect_layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """One place where the adapter acts.

    Attributes:
        part: ``bottleneck``, ``invertible``, ``lora``, ...
        layer: Layer, None outside the layers.
        site: Where in the layer.
        parameters: Parameters there.
        numbers: Stored numbers there.
        norm: Euclidean norm of what they add together; 0 does nothing.
        rank: Largest LoRA rank there, None for other kinds.
        scale: LoRA's scale there, None for other kinds.
    """

    part: str
    layer: int | None
    site: str
    parameters: int
    numbers: int
    norm: float
    rank: int | None
    scale: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """An adapter folder in figures.

    Attributes:
        path: The folder.
        library: ``adapters`` or ``peft``, whose folder it is.
        version: Version of the library that wrote it.
        name: The adapter's name, if it has one.
        kinds: Architectures in it.
        container: ``bin`` or ``safetensors``.
        dtypes: Precision to number of tensors.
        base_model: As recorded.
        model_type: As recorded.
        hidden_size: As recorded.
        layers: Layers in which it acts.
        settings: What adapters must share to be merged with it.
        sites: Figures by place.
        numbers: Stored numbers of the adapter, without its head and without stored copies.
        bytes: Size of these.
        head: The head's tensors with their shapes, and its labels; None without one.
        unread: Files beside it that are neither read nor carried over.
        made_from: Provenance, if xlmerge made it.
    """

    path: str
    library: str
    version: str | None
    name: str
    kinds: list[str]
    container: str
    dtypes: dict[str, int]
    base_model: str | None
    model_type: str | None
    hidden_size: int | None
    layers: list[int]
    settings: dict[str, Any]
    sites: list[SiteFigures]
    numbers: int
    bytes: int
    head: dict[str, Any] | None
    unread: list[str]
    made_from: dict[str, Any] | None

    def as_data(self) -> dict[str, Any]:
        """The inspection as plain data."""
        return asdict(self)


def inspect_layout(layout: AdapterLayout) -> Inspection:
    """Measure an adapter; reads every tensor once.

    Raises:
        CheckpointError: A tensor cannot be read, or is not finite.
    """
    folder, header = layout.folder, layout.folder.header
    tensors = {
        key: header.tensors[key] for _, bundle in layout.bundles() for key in bundle.keys.values()
    }
    dtypes: dict[str, int] = defaultdict(int)
    for tensor in tensors.values():
        dtypes[tensor.dtype] += 1
    sites = _sites(layout)
    return Inspection(
        path=str(folder.path),
        library=header.format,
        version=header.version,
        name=header.name,
        kinds=[
            covered.architecture.name
            for covered in layout.covered
            if covered.architecture.name != "head"
        ],
        container=folder.container,
        dtypes=dict(sorted(dtypes.items())),
        base_model=header.base_model,
        model_type=header.model_type,
        hidden_size=header.hidden_size,
        layers=sorted({site.layer for site in sites if site.layer is not None}),
        settings=layout.meaning,
        sites=sites,
        numbers=sum(math.prod(tensor.shape) for tensor in tensors.values()),
        bytes=sum(
            math.prod(tensor.shape) * DTYPES[tensor.dtype].itemsize for tensor in tensors.values()
        ),
        head=_head(layout),
        unread=list(folder.unread),
        made_from=read_provenance(folder.path),
    )


def _sites(layout: AdapterLayout) -> list[SiteFigures]:
    reader = PointReader(layout.folder.header.name or str(layout.folder.path), layout)
    squares: dict[tuple[str, int | None, str], float] = defaultdict(float)
    counts: dict[tuple[str, int | None, str], list[int]] = defaultdict(lambda: [0, 0])
    ranks: dict[tuple[str, int | None, str], tuple[int, float]] = {}
    for covered, bundle in layout.bundles():
        stored = sum(
            math.prod(layout.folder.header.tensors[key].shape) for key in bundle.keys.values()
        )
        for parameter in bundle.parameters:
            place = (parameter.part, parameter.layer, parameter.site)
            space = covered.half.space([parameter], ignore)
            delta = space.delta(reader.point(parameter.name))
            squares[place] += space.inner(delta, delta)
            counts[place][0] += 1
            counts[place][1] += stored // len(bundle.parameters)
            if "rank" in parameter.attributes:
                known = ranks.get(place, (0, 0.0))[0]
                ranks[place] = (
                    max(known, int(parameter.attributes["rank"])),
                    parameter.attributes["scale"],
                )
    places = sorted(counts, key=lambda place: (place[1] is None, place[1] or 0, place[0], place[2]))
    return [
        SiteFigures(
            part=part,
            layer=layer,
            site=site,
            parameters=counts[part, layer, site][0],
            numbers=counts[part, layer, site][1],
            norm=math.sqrt(squares[part, layer, site]),
            rank=ranks[part, layer, site][0] if (part, layer, site) in ranks else None,
            scale=ranks[part, layer, site][1] if (part, layer, site) in ranks else None,
        )
        for part, layer, site in places
    ]


def _head(layout: AdapterLayout) -> dict[str, Any] | None:
    if not layout.has_head:
        return None
    header = layout.folder.header
    known: Mapping[str, TensorHeader] = {**header.tensors, **header.head_tensors}
    config = header.head_config or {}
    inner = config.get("config") or config
    return {
        "tensors": {
            known[key].name: list(known[key].shape)
            for _, bundle in layout.bundles(head=True)
            for key in bundle.keys.values()
        },
        "type": inner.get("head_type"),
        "labels": inner.get("label2id"),
    }
