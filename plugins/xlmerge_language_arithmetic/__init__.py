"""Language arithmetic (Klimaszewski, Andruszkiewicz and Birch 2025, arXiv 2404.15737)."""
