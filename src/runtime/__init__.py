"""What any part may need of its process: retries, connections, logs, files."""
