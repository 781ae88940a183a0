"""Environment and `.env` → settings."""
