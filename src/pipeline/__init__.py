"""What happens to a window."""
