"""The ways to recipients: email and Telegram."""
