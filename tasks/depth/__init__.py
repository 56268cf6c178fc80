"""Depth from a single image: T2Net's own U-Net and encoders of segmentation-models-pytorch, and the usual metrics."""
