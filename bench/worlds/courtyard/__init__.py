"""Obstacle courses of the flight world: a walled lane between trees, poles, walls, crates and vans, under open sky.

`obstacles` and `layout` draw a course, `course` builds it, `views` renders it in either look, `flight` says from where
it is seen.
Metres and radians; x along the course, y to the left, z up from the ground.
"""
