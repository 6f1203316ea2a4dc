"""What the networks are in a folder and in a model."""
