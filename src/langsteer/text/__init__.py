"""What a text is in: language tags, scripts, detection, segments."""
