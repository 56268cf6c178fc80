"""Writers of other people's formats, one file each; the readers of the same names take them back.

Each has ``write(images, folder)``, ``KINDS`` (the labels that it holds), ``NEEDS`` (the one it is about) and ``IMPORT``
(what `bench data import` has to be told).
"""
