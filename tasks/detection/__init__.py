"""Object detection: SSD, YOLOv3 and PVANET behind one interface and one evaluation."""
