"""Refiners: one file a system, and the networks, losses and image pool that they share."""
