"""An option of a space whose annotation exists for the type checker only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import AdapterArchitecture, FileHalf, hookimpl

if TYPE_CHECKING:
    from typing import Annotated

xlmerge_api_version = 0


def space(peers: object, observe: object, *, ridge: Annotated[float, "how much"] = 0.1) -> object:
    raise NotImplementedError


@hookimpl
def xlmerge_adapter_architectures() -> object:
    half = FileHalf(format="peft", claim=lambda header: None, space=space)
    return [AdapterArchitecture(name="ridged", summary="A.", source="made up", files=(half,))]
