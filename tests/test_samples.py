from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError, LabelsHiddenError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import LABELS, ImageSet, Labels


@pytest.fixture
def labelled(tmp_path: Path) -> ImageSet:
    """One image with labels of every kind."""
    writer = ImageSetWriter(tmp_path, domain="real", kind="stand-in", class_names=["a"], labels=LABELS)
    instances = np.ones((4, 4), np.uint16)
    labels = Labels(
        boxes=np.array([[0, 0, 4, 4]], np.float32), classes=np.array([0]), instances=instances,
        foreground=instances > 0, depth=np.full((4, 4), 1.5, np.float32), semantic=instances.astype(np.uint8),
        vectors={"pose": np.array([1.0, 0.0], np.float32)},
    )  # fmt: skip
    writer.add("x", np.zeros((4, 4, 3), np.uint8), labels)
    writer.close()
    return open_image_set(tmp_path)


def test_without_sensors_nothing_of_the_labels_is_left(labelled: ImageSet) -> None:
    hidden = labelled.unlabelled()
    assert hidden.has == frozenset()
    assert hidden[0].labels == Labels()
    assert (hidden.records[0].boxes, hidden.records[0].classes, hidden.records[0].vectors) == ((), (), {})
    with pytest.raises(LabelsHiddenError, match="x: labels are hidden here"):
        hidden.labels(0)


def test_a_sensor_stays_readable_and_nothing_else_does(labelled: ImageSet) -> None:
    hidden = labelled.sensed({"depth": 2.0}).unlabelled()
    assert hidden.has == {"depth"}
    assert hidden.sensors == {"depth": 2.0}
    for labels in (hidden.labels(0), hidden[0].labels):
        assert labels.depth is not None
        assert (labels.depth == 1.5).all()
        for kind in ("boxes", "classes", "instances", "foreground", "semantic"):
            assert getattr(labels, kind) is None, kind
        assert labels.vectors == {}
    assert (hidden.records[0].boxes, hidden.records[0].classes, hidden.records[0].vectors) == ((), (), {})


def test_views_keep_what_the_camera_senses(labelled: ImageSet) -> None:
    sensed = labelled.sensed({"depth": 2.0})
    assert sensed.subset([0]).sensors == sensed.joined(sensed).sensors == {"depth": 2.0}
    assert sensed.has == labelled.has
    assert labelled.sensors == {}


def test_a_camera_cannot_sense_what_the_set_does_not_have(labelled: ImageSet) -> None:
    with pytest.raises(DataError, match="sensors: the real images have no depth"):
        labelled.unlabelled().sensed({"depth": 2.0})
