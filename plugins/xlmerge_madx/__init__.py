"""MAD-X (Pfeiffer et al. 2020, arXiv 2005.00052).

Invertible adapters, the training of language adapters, and language under task.
"""
