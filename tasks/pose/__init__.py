"""Pose: the class and the orientation of the one object that an image shows."""
