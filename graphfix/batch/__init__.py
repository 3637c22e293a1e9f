"""Many conversions by one recipe."""
