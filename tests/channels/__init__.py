"""Tests of src/channels."""
