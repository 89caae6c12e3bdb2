"""Recovery: what a killed process or a crashed host leaves behind."""
