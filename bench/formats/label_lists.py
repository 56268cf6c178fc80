"""The class lists of public street scenes: names, colours and numbers as their authors publish them."""

from __future__ import annotations

from typing import Final

CAMVID_COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "Animal": (64, 128, 64), "Archway": (192, 0, 128), "Bicyclist": (0, 128, 192), "Bridge": (0, 128, 64),
    "Building": (128, 0, 0), "Car": (64, 0, 128), "CartLuggagePram": (64, 0, 192), "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128), "Fence": (64, 64, 128), "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64), "Misc_Text": (128, 128, 64), "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64), "ParkingBlock": (64, 192, 128), "Pedestrian": (64, 64, 0), "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192), "Sidewalk": (0, 0, 192), "SignSymbol": (192, 128, 128), "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192), "TrafficCone": (0, 0, 64), "TrafficLight": (0, 64, 64), "Train": (192, 64, 128),
    "Tree": (128, 128, 0), "Truck_Bus": (192, 128, 192), "Tunnel": (64, 0, 64), "VegetationMisc": (192, 192, 0),
    "Void": (0, 0, 0), "Wall": (64, 192, 0),
}  # fmt: skip
"""The 32 classes of CamVid (Brostow, Fauqueur and Cipolla 2009) and their colours, ``label_colors.txt``."""

CAMVID_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "sky": ("Sky",),
    "building": ("Building", "Archway", "Bridge", "Tunnel", "Wall"),
    "pole": ("Column_Pole", "TrafficCone"),
    "road": ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv"),
    "pavement": ("Sidewalk", "ParkingBlock", "RoadShoulder"),
    "tree": ("Tree", "VegetationMisc"),
    "sign": ("SignSymbol", "Misc_Text", "TrafficLight"),
    "fence": ("Fence",),
    "car": ("Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"),
    "pedestrian": ("Pedestrian", "Child", "CartLuggagePram", "Animal"),
    "bicyclist": ("Bicyclist", "MotorcycleScooter"),
}
"""The usual 11 groups, in the order of the index masks of Badrinarayanan et al. 2017 (SegNet); index 11 is void."""

CITYSCAPES_IDS: Final[dict[int, str]] = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""Label ids of the 19 evaluated classes of Cityscapes (Cordts et al. 2016) in the order of their train ids, 0 to 18."""

CITYSCAPES_LAST_ID: Final = 34
"""Ids up to this one exist (34: licence plate, where it is written at all); those without a train id are void."""


def cityscapes_values() -> dict[int, int]:
    """Pixel value of a label-id mask -> train id, or 255."""
    train_ids = {id: number for number, id in enumerate(CITYSCAPES_IDS)}
    return {id: train_ids.get(id, 255) for id in range(CITYSCAPES_LAST_ID + 1)}
