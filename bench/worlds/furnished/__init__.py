"""Furnished rooms: floor plans, furniture, windows and lamps, in a plain and a path traced look."""
