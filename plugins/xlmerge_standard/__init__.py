"""What both libraries know, and the field's common merge methods."""
