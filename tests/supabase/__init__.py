"""Tests of src/supabase."""
