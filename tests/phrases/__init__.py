"""Tests of src/phrases."""
