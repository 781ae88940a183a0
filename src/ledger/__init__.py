"""What has been delivered to whom."""
