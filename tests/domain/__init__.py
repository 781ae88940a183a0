"""Tests of src/domain."""
