"""The demonstration: real phrases of real languages, a small model, and a recipe on both.

What comes from Unicode CLDR is made here without torch; the base model is pre-trained by
:mod:`xlmerge.runtime.pretraining`.
"""
