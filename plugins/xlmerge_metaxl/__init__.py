"""MetaXL (Xia et al. 2021, arXiv 2104.07908).

Networks that transform the hidden states of source languages in training, and the trainer that
meta-learns them.
"""
