"""Tests of src/workbook."""
