"""Send reports and alerts: by email, by Telegram, and to files in a dry run."""
