"""What architectures need torch and the adapters library for; imported when models run."""
