"""Loss functions, one topic a file."""
