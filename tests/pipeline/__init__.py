"""Tests of src/pipeline."""
