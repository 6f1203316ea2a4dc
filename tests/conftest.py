"""What every test may count on: a quiet environment, and the shared data where it is there."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

import pytest

# Set before any library reads them: no download, and the workers of xdist share the cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# What tests parse is not kept in the user's own cache of data sets.
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="xlmerge-tests-datasets-")
atexit.register(shutil.rmtree, os.environ["HF_DATASETS_CACHE"], ignore_errors=True)
# One thread a process also means sums in one order, for NumPy's BLAS and for torch alike.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

SHARED_DATA = Path(
    os.environ.get("XLMERGE_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data"
)
OURS_FOR_TESTS = ("XLMERGE_SHARED_DATA", "XLMERGE_TEST_WHEEL")

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:  # an environment with no more than pytest
    pass
else:
    # A busy machine is no bug, and CI must not fail by the luck of a draw.
    settings.register_profile("dev", deadline=None)
    settings.register_profile(
        "ci",
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real adapters, models and texts; its tests are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no shared data at {SHARED_DATA}: set XLMERGE_SHARED_DATA to its folder")
    return SHARED_DATA.resolve()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in os.environ:
        if name.startswith("XLMERGE_") and name not in OURS_FOR_TESTS:
            monkeypatch.delenv(name)


@pytest.fixture
def tiny_merge(tmp_path: Path) -> Path:
    """A folder with two (IA)³ adapters, all 2 and all 3, and a recipe for their mean, all 2.5.

    Written byte by byte, so that it needs neither NumPy nor the libraries.
    """
    config = {
        "base_model_name_or_path": "someone/tiny",
        "feedforward_modules": [],
        "peft_type": "IA3",
        "target_modules": ["key", "value"],
        "task_type": None,
    }
    sites = [
        f"layer.{layer}.attention.self.{site}" for layer in (0, 1) for site in ("key", "value")
    ]
    for name, value in (("first", 2.0), ("second", 3.0)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
        header = {
            f"base_model.model.roberta.encoder.{site}.ia3_l": {
                "dtype": "F32",
                "shape": [4, 1],
                "data_offsets": [16 * at, 16 * at + 16],
            }
            for at, site in enumerate(sites)
        }
        head = json.dumps(header).encode()
        head += b" " * (-len(head) % 8)
        body = struct.pack("<f", value) * 4 * len(sites)
        file = folder / "adapter_model.safetensors"
        file.write_bytes(struct.pack("<Q", len(head)) + head + body)
    (tmp_path / "recipe.yaml").write_text(
        """version: 1
base_model: someone/tiny
adapters: {first: ./first, second: ./second}
steps:
  mean: {merge: linear, adapters: {first: 0.5, second: 0.5}}
""",
        encoding="utf-8",
    )
    return tmp_path
