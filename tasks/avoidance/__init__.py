"""Obstacle avoidance from one image: free distances in a fan of directions, the steering choice, closed-loop flight."""
