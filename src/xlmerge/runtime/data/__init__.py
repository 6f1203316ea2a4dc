"""Data: rows as a task asks for them, their classes, blocks of text, and the order of training.

Importing this imports no library; reading does.
"""

from xlmerge.plan.split_files import data_files
from xlmerge.runtime.data.labels import class_ids, class_names
from xlmerge.runtime.data.load import load_rows
from xlmerge.runtime.data.order import keyed, sampling_weights
from xlmerge.runtime.data.packing import blocks_of, packed, special_frame
from xlmerge.runtime.data.schedule import Schedule

__all__ = [
    "Schedule",
    "blocks_of",
    "class_ids",
    "class_names",
    "data_files",
    "keyed",
    "load_rows",
    "packed",
    "sampling_weights",
    "special_frame",
]
