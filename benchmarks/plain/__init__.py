"""Plain transcriptions of the published training steps, written to be compared with ours, not to be used.

Networks and losses are ours (they have the published sizes, and equal weights make results comparable); what is
transcribed is how a step goes: every pass the published code makes, one discriminator pass for real and one for refined
images, float32 in contiguous memory, torch's default Adam, a batch that comes from the host every step.
"""
