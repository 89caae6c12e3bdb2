"""What a killed process or a lost host leaves behind."""
