"""Embedded worlds over one renderer, and adapters over data that somebody else made."""
