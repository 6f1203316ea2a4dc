"""The laws of adapter architectures as tests that a plugin's own tests inherit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from xlmerge.testing import architecture_laws as laws

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.plugin import AdapterArchitecture

__all__ = ["ArchitectureSuite"]


class ArchitectureSuite(ABC):
    """Inherit, name the architecture, write a folder, and pytest checks what it has to keep to.

    The folder is best one that the library itself saved;
    :func:`~xlmerge.testing.write_adapters_folder` and
    :func:`~xlmerge.testing.write_peft_folder` make one without it. Inherit once for each kind of
    folder: each format, with and without each setting that changes the tensors.

    Example::

        class TestScaleShift(ArchitectureSuite):
            architecture = scale_shift

            def write(self, folder):
                write_adapters_folder(folder, {"architecture": "scale_shift"}, {...})

    Attributes:
        architecture: The architecture under test. What else is installed may claim tensors beside
            it (a head, ...).
        rounding: How far a number may move when the adapter is merged alone at weight 1; for spaces
            whose chart rounds, as ``1 + (x - 1)`` does.
    """

    architecture: AdapterArchitecture
    rounding: float = 0.0

    @abstractmethod
    def write(self, folder: Path) -> object:
        """Write an adapter of the kind into an empty folder."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The adapter."""
        folder = tmp_path / "adapter"
        folder.mkdir()
        self.write(folder)
        return folder

    @pytest.fixture
    def scratch(self, tmp_path: Path) -> Path:
        """An empty folder."""
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        return scratch

    def test_every_tensor_is_claimed_once(self, folder: Path) -> None:
        """None is left over, none is claimed twice."""
        laws.check_every_tensor_is_claimed_once(self.architecture, folder)

    def test_the_header_is_enough_for_a_claim(self, folder: Path) -> None:
        """A claim opens no file: ``check`` reads headers only."""
        laws.check_header_is_enough(self.architecture, folder)

    def test_folders_of_other_kinds_are_left_alone(self) -> None:
        """No claim and no error."""
        laws.check_foreign_folders_are_left_alone(self.architecture)

    def test_encode_inverts_decode(self, folder: Path) -> None:
        """Bit by bit."""
        laws.check_encode_inverts_decode(self.architecture, folder)

    def test_points_obey_the_laws_of_their_space(self, folder: Path) -> None:
        """The space is one for these points; shapes are those declared."""
        laws.check_points_obey_their_space(self.architecture, folder)

    def test_one_adapter_at_weight_1_comes_back(self, folder: Path, scratch: Path) -> None:
        """Through the engine: same bytes, same configuration."""
        laws.check_identity_merge(self.architecture, folder, scratch, rounding=self.rounding)

    def test_the_mean_of_equal_adapters_is_the_adapter(self, folder: Path, scratch: Path) -> None:
        """Through the engine: same numbers, and a folder that can be read again."""
        laws.check_mean_of_equals(self.architecture, folder, scratch)
