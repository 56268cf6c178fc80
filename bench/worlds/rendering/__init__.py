"""One renderer for every embedded world: meshes, prints, a rasteriser for labels, a path tracer and a camera.

Scenes (what is rendered) live outside, one folder a world; nothing here knows a product or a cabinet.
"""
