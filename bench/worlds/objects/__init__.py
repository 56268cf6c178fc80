"""Small household objects on a table: their shapes, materials, poses, backgrounds and clutter."""
