"""Supabase's REST interface and Storage."""
