"""What a trained model does well and badly: predictions against gold in figures, pictures and one HTML page."""
