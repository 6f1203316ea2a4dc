"""The side of the trainers that imports torch."""
