"""How MAD-X puts adapters together."""
