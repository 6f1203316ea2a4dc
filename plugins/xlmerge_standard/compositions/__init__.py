"""Ways to compose adapters in a running model, one a file."""
