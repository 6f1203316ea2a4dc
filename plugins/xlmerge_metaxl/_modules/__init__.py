"""What runs in a model: the only place of this plugin that imports torch."""
