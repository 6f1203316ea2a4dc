"""Training: one loop for all trainers, exact over kills and processes."""

from __future__ import annotations

from xlmerge.runtime.training.fitting import fit
from xlmerge.runtime.training.options import FitOptions
from xlmerge.runtime.training.stage import Stage, staged
from xlmerge.runtime.training.step import Draw, Group, Moment, Step
from xlmerge.runtime.training.work import Source, Training

__all__ = [
    "Draw",
    "FitOptions",
    "Group",
    "Moment",
    "Source",
    "Stage",
    "Step",
    "Training",
    "fit",
    "staged",
]
