"""Tests on real adapters, a real model and real text."""
