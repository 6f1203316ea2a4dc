"""What needs torch or the adapters library; imported by rules when they run."""
