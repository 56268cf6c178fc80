"""Labels from a hand-made instance map."""

import numpy as np

from bench.worlds.rendering.labels import labels_of

MAP = np.array([[0, 5, 5, 0], [2, 5, 5, 0], [2, 2, 0, 9]])
DEPTH = np.linspace(1, 2, 12).reshape(3, 4)


def test_boxes_classes_and_numbers():
    labels = labels_of(MAP, DEPTH, {2: 7, 5: 0, 9: 3}, min_pixels=1)
    assert labels.boxes.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 4, 3]]
    assert labels.classes.tolist() == [7, 0, 3]
    assert labels.instances.tolist() == [[0, 2, 2, 0], [1, 2, 2, 0], [1, 1, 0, 3]]
    assert (labels.foreground == (MAP > 0)).all()
    assert labels.depth.dtype == np.float32
    assert (labels.depth == DEPTH.astype(np.float32)).all()


def test_what_is_too_small_is_no_label_at_all():
    labels = labels_of(MAP, DEPTH, {2: 7, 5: 0, 9: 3}, min_pixels=2)
    assert labels.classes.tolist() == [7, 0]
    assert not labels.foreground[2, 3]
    assert labels.instances.max() == 2


def test_an_empty_map():
    labels = labels_of(np.zeros((2, 2), np.int64), np.ones((2, 2)), {}, min_pixels=1)
    assert labels.boxes.shape == (0, 4)
    assert labels.classes.shape == (0,)
    assert not labels.foreground.any()
