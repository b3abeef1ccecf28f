"""Waves: many ideas measured at once, each run with half of them; the best combination is
judged."""
