"""Tests of src/commands."""
