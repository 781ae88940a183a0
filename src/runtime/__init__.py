"""What any part may need of its process: HTTP, retries, connections, logs, files."""
