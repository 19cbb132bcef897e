"""The papers' claims as lists of small runs, and what they gave."""
