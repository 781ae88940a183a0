"""What a report says, in the form of each channel."""
