"""MAD-X (Pfeiffer et al. 2020, arXiv 2005.00052): invertible adapters.

Training and composition come with the runtime.
"""
