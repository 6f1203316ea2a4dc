"""How xlmerge is called: by its command line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

__all__ = ["command_line", "merge_command"]


def command_line() -> list[str] | None:
    """The command `xlmerge` of this interpreter's environment; None if there is none yet."""
    if find_spec("xlmerge.cli") is None:
        return None
    script = shutil.which("xlmerge", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "xlmerge"]


def merge_command(
    method: str,
    out: Path,
    adapters: Sequence[Path] = (),
    weights: Sequence[float] | None = None,
    roles: Mapping[str, Path] | None = None,
    values: Mapping[str, object] | None = None,
) -> list[str]:
    """A merge in one line: of the command line, or of Python where there is no command line yet."""
    program = command_line()
    if program is None:
        call = {
            "adapters": [str(path) for path in adapters] or None,
            "weights": list(weights) if weights else None,
            "roles": {role: str(path) for role, path in (roles or {}).items()} or None,
            "parameters": dict(values or {}),
            "output": str(out),
        }
        return [sys.executable, "-c", f"import xlmerge; xlmerge.merge({method!r}, **{call!r})"]
    command = [*program, "merge", method, *map(str, adapters)]
    if weights:
        command += ["--weights", ",".join(f"{weight:g}" for weight in weights)]
    for role, path in (roles or {}).items():
        command += ["--role", f"{role}={path}"]
    for name, value in (values or {}).items():
        command += ["--with", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return [*command, "-o", str(out)]
