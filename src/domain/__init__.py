"""Windows, analyses and figures: pure data and arithmetic."""
