"""Tests of src/message."""
