"""Adapter architectures: what the tensors of a folder mean.

An architecture *claims* tensors of a folder by their canonical keys, groups them into parameters,
and gives each a space. The bundled ones are declared exactly like this:

    bottleneck = AdapterArchitecture(
        name="bottleneck",
        summary="A two-layer bottleneck after a sub-layer, with a residual connection.",
        source="Houlsby et al. 2019; Pfeiffer et al. 2020",
        files=(FileHalf(format="adapters", claim=claim_bottleneck),),
    )
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xlmerge.plugin.parameters import ParameterSpec, parameter_specs
from xlmerge.spaces import AdditiveSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from xlmerge.plugin.headers import FolderHeader
    from xlmerge.spaces.protocol import Array, Observe, Space

__all__ = [
    "AdapterArchitecture",
    "Bundle",
    "Claim",
    "FileHalf",
    "LiveHalf",
    "Parameter",
    "claim_by_patterns",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an adapter: a point of a space.

    Attributes:
        name: Canonical name, the same in every adapter that this one can be merged with; recipes
            select by it.
        part: What it belongs to: ``bottleneck``, ``invertible``, ``lora``, ``ia3``, ``prefix``,
            ``head``.
        layer: Index of the transformer layer, counted from 0; None outside the layers.
        site: Where in the layer: ``output``, ``attention.self.query``, ...
        shape: Shape of its dense delta; equal in adapters that can be merged.
        attributes: Numbers that may differ between such adapters (``rank``, ``scale``).
    """

    name: str
    part: str
    layer: int | None = None
    site: str = ""
    shape: tuple[int, ...]
    attributes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Tensors that are read and written together, and the parameters they hold.

    Attributes:
        keys: Role (``lora_A``) to canonical key.
        parameters: One for most architectures; several where one tensor holds many (a flat prefix).
        copies: Canonical key of a further stored copy to the role it repeats (``adapters`` writes a
            prefix once per layer); checked to be equal on reading.
        writes: ``keys`` of the output where they differ (a prefix that was reparametrised is
            written flat).
        write_copies: ``copies`` of the output.
    """

    keys: Mapping[str, str]
    parameters: tuple[Parameter, ...]
    copies: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, str] = field(default_factory=dict)
    write_copies: Mapping[str, str] = field(default_factory=dict)

    @property
    def output_keys(self) -> Mapping[str, str]:
        """Role to canonical key, as written."""
        return self.writes or self.keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an architecture says of a folder.

    Attributes:
        bundles: The tensors it claims.
        meaning: Settings under which the tensors mean something (activation, reduction factor,
            ...): adapters merge only if these are equal. Values are compared with ``==`` and
            printed.
        config_keys: Keys of the configuration that it understands; keys no architecture understands
            are refused.
    """

    bundles: tuple[Bundle, ...]
    meaning: Mapping[str, Any] = field(default_factory=dict)
    config_keys: frozenset[str] = frozenset()


def _additive(peers: Sequence[Parameter], observe: Observe) -> Space[Any, Any]:
    """The space of plain tensors, whatever the peers."""
    del peers, observe
    return AdditiveSpace()


def _decode_single(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Any]:
    """One tensor, one parameter."""
    [parameter], [tensor] = bundle.parameters, tensors.values()
    return {parameter.name: tensor}


def _encode_single(
    bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]
) -> dict[str, Array]:
    """One parameter, one tensor."""
    del want
    [parameter], [role] = bundle.parameters, bundle.keys
    return {role: points[parameter.name]}


def _no_attributes(parameter: Parameter, point: Any) -> dict[str, float]:
    """Plain tensors have no numbers beside their shape."""
    del parameter, point
    return {}


def _same_config(
    config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]
) -> Mapping[str, Any]:
    """Plain tensors leave the configuration as it was."""
    del written
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHalf:
    """How an architecture lies in the folders of one library.

    Only ``format`` and ``claim`` are needed for plain tensors.

    Attributes:
        format: ``adapters`` or ``peft``.
        claim: Header to claim; None (or a claim without bundles) if the folder holds nothing of
            this architecture. Raises :class:`xlmerge.errors.UnsupportedAdapterError` where it knows
            a setting and must refuse it; the refusal counts unless others cover the whole folder.
        space: The space of one parameter: ``space(peers, observe, **options)`` with the parameter
            as each input has it. Keyword-only arguments with annotations are options that recipes
            may give under ``with:``.
        decode: Arrays by role to points by parameter name.
        encode: Points by parameter name to arrays by role; ``want`` asks for uniform attributes
            (see ``uniform``).
        attributes: The numbers of a point that the configuration has to tell (``rank``, ``scale``).
        configure: Configuration of the first input, and attributes by parameter name as written, to
            that of the output.
        uniform: Attributes that this format can only store once for the whole adapter; where the
            results differ the engine encodes all of them again for the largest.
        transport_options: Options that only the space's transport reads; given to a method that
            transports nothing, they are refused instead of ignored.
    """

    format: Literal["adapters", "peft"]
    claim: Callable[[FolderHeader], Claim | None]
    space: Callable[..., Space[Any, Any]] = _additive
    decode: Callable[[Bundle, Mapping[str, Array]], Mapping[str, Any]] = _decode_single
    encode: Callable[[Bundle, Mapping[str, Any], Mapping[str, float]], Mapping[str, Array]] = (
        _encode_single
    )
    attributes: Callable[[Parameter, Any], Mapping[str, float]] = _no_attributes
    configure: Callable[
        [Mapping[str, Any], Mapping[str, Mapping[str, float]]], Mapping[str, Any]
    ] = _same_config
    uniform: tuple[str, ...] = ()
    transport_options: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[ParameterSpec, ...]:
        """Options of the space, as recipes may give them."""
        return _options_of(self.space)


@functools.cache
def _options_of(space: Callable[..., Any]) -> tuple[ParameterSpec, ...]:
    """Read from the signature once, since the engine asks again for every parameter."""
    return parameter_specs(space)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveHalf:
    """How an architecture comes into a model that runs on the adapters library.

    Attributes:
        configs: Named configurations to train, as recipes call them: name to all fields, as
            ``config`` in an ``adapter_config.json`` has them.
        install: ``module:function``, called with a model once, before it gets its first adapter;
            for kinds that the library makes otherwise. It changes this model object only.
        make: ``module:function``, called with a model and all fields of a configuration whose
            ``architecture`` is the name of this one; gives a ``torch.nn.Module`` with the
            parameters of one adapter, initialised from torch's global random state. For kinds that
            the library does not know: they are then added, saved and loaded like its own, and lie
            in files under ``shared_parameters``.
    """

    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    install: str | None = None
    make: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterArchitecture:
    """An adapter architecture.

    Attributes:
        name: Lower-case words joined by ``_``.
        summary: One sentence.
        source: Paper or library it comes from.
        files: How it lies in folders, one half a format.
        live: How it comes into a model; None for kinds that are only read and merged.
    """

    name: str
    summary: str
    source: str
    files: tuple[FileHalf, ...] = ()
    live: LiveHalf | None = None

    def half(self, format_: str) -> FileHalf | None:
        """The file half for a format, or None."""
        return next((half for half in self.files if half.format == format_), None)


def claim_by_patterns(
    header: FolderHeader,
    patterns: Iterable[str],
    *,
    part: str,
    meaning: Mapping[str, Any] | None = None,
    config_keys: Iterable[str] = (),
) -> Claim | None:
    """Claim every tensor whose canonical key matches a pattern, as a parameter of its own.

    Args:
        header: The folder.
        patterns: Regular expressions for whole keys; groups ``layer`` and ``site`` fill the
            parameter's fields.
        part: What the parameters belong to.
        meaning: See :class:`Claim`.
        config_keys: See :class:`Claim`.

    Returns:
        The claim, or None if no key matches.

    Raises:
        TypeError: ``patterns`` is a single text, whose letters would be the patterns.
    """
    if isinstance(patterns, str):
        raise TypeError(f"`patterns` is a list of texts; found the single text {patterns!r}")
    compiled = [re.compile(pattern) for pattern in patterns]
    bundles = []
    for key, tensor in header.tensors.items():
        match = next((found for pattern in compiled if (found := pattern.fullmatch(key))), None)
        if match is None:
            continue
        groups = match.groupdict()
        layer = groups.get("layer")
        parameter = Parameter(
            name=key.replace("{name}.", ""),
            part=part,
            layer=None if layer is None else int(layer),
            site=groups.get("site") or "",
            shape=tensor.shape,
        )
        bundles.append(Bundle(keys={"value": key}, parameters=(parameter,)))
    if not bundles:
        return None
    return Claim(bundles=tuple(bundles), meaning=meaning or {}, config_keys=frozenset(config_keys))
