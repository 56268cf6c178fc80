"""The scene of the vending world: products, cabinet and how products stand on the shelves."""
