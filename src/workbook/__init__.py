"""Rows and figures → one `.xlsx` file."""
