"""The side of the tasks that imports torch, transformers and adapters."""
