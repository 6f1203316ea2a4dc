"""AdaMergeX (Zhao et al. 2024, arXiv 2402.18913).

The language gap of a reference task, carried to another task.
"""
