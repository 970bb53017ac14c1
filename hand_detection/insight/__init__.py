"""What an evaluation's detections tell beyond the 12 numbers, as one HTML page and as JSON."""
