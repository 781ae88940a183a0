"""Every word that a recipient reads."""
