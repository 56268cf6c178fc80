"""Pictures of flights for the report: a film strip of what an arm saw and chose, and the course from above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.drawing import INK, PAPER, Colour, contact_sheet
from bench.heatmaps import stacked
from bench.samples import U8
from bench.showing import Showing, Shown, TaskPicture
from tasks.avoidance.flying import Flight, Lattice
from tasks.avoidance.steering import F64, Steering

Flights = list[tuple[Lattice, list[Flight]]]
ARMS, FRAMES = 3, 7
TILE, FAN = 190, 64
MAP_WIDTH = 1300
GREY: Colour = (97, 110, 124)
# Okabe and Ito's colours, safe for colour-blind eyes; orange-red is kept for the direction of flight.
COLOURS: tuple[Colour, ...] = ((0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0))
CHOICE: Colour = (213, 94, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Pilot:
    """An arm: what it predicts for each test view, (N, K) metres, and the one flight that is shown."""

    shown: Shown
    free: F64
    flight: Flight

    @property
    def end(self) -> str:
        """How the flight ended, in words."""
        return f"{'collision after' if self.flight.collided else 'arrives after'} {self.flight.metres:.1f} m"


def avoidance_pictures(
    showing: Showing, true: F64, flights: Callable[[F64], Flights], steering: Steering, radius: float
) -> list[TaskPicture]:
    """``flight``, a film strip, and ``course``, the same flights from above; none for a set without lattices.

    Args:
        showing: see `bench.showing.Showing`.
        true: (N, K) metres, the true free distances.
        flights: from (N, K) predicted free distances to all flights of the set, the same starts for every arm.
        steering: the rule, for the fan's angles and reach.
        radius: of the quadcopter in metres.
    """
    arms = showing.chosen(ARMS)
    predicted = [_free(shown) for shown in arms]
    flown = [flights(free) for free in predicted]
    if not arms or not any(several for _, several in flown[0]):
        return []
    course, start = _interesting(flown)
    lattice = flown[0][course][0]
    pilots = [
        Pilot(shown, free, every[course][1][start]) for shown, free, every in zip(arms, predicted, flown, strict=True)
    ]
    which = (
        f"Course '{lattice.course}', start at {pilots[0].flight.poses[0, 1]:+.2f} m: the first of all on which not "
        "every arm ends alike, or the first where all do. The averages over all flights are in the table. Replicate 0."
    )
    rows = [_frames(pilot, showing, true, steering) for pilot in pilots]
    sheet = contact_sheet(
        [tile for tiles, _ in rows for tile in tiles],
        FRAMES,
        [title for _, titles in rows for title in titles],
        row_titles=[f"{pilot.shown.title}: {pilot.end}" for pilot in pilots],
        heading=f"{showing.model} flies through {showing.real} views, by what it was trained on",
    )
    return [
        TaskPicture(
            "flight",
            "Film strip of a flight",
            f"What {showing.model} saw on its way, {showing.real} views from start to end. Below each view its fan: "
            "bars are the free distance predicted in each direction (full height: "
            f"{steering.reach:g} m), the black line is the true one; the orange line is where it flies. " + which,
            sheet,
        ),
        TaskPicture(
            "course",
            "The same flights from above",
            "Dark: obstacles and walls; pale: too close for the quadcopter's centre; one colour an arm, a cross is a "
            "collision. Flights go from left to right. " + which,
            _course(lattice, pilots, radius),
        ),
    ]


def _free(shown: Shown) -> F64:
    with np.load(shown.predictions / "predictions.npz") as file:
        return np.asarray(file["free"], np.float64)


def _interesting(flown: Sequence[Flights]) -> tuple[int, int]:
    """(course, start) of the first flight that some arms survive and others do not, else of the first flight."""
    places = [(c, s) for c, (_, several) in enumerate(flown[0]) for s in range(len(several))]
    return next((p for p in places if len({every[p[0]][1][p[1]].collided for every in flown}) > 1), places[0])


def _frames(pilot: Pilot, showing: Showing, true: F64, steering: Steering) -> tuple[list[U8], list[str]]:
    """Evenly spread views of a flight, the first and the last among them, with their fans; blank where it was short."""
    flight = pilot.flight
    count = min(FRAMES, len(flight.views))
    tiles, titles = [], []
    for number in range(count):
        step = round(number * (len(flight.views) - 1) / max(count - 1, 1))
        view = int(flight.views[step])
        fan = _fan(pilot.free[view], true[view], float(flight.poses[step + 1, 2]), steering)
        image = Image.fromarray(showing.truth.image(view))
        image = image.resize((TILE, round(TILE * image.height / image.width)), Image.Resampling.NEAREST)
        tiles.append(stacked([np.asarray(image), fan]))
        titles.append(f"{flight.poses[step, 0] - flight.poses[0, 0]:.1f} m")
    missing = FRAMES - count
    return tiles + [np.full((1, 1, 3), 255, np.uint8)] * missing, titles + [""] * missing


def _fan(free: F64, true: F64, direction: float, steering: Steering) -> U8:
    """Bars of the predicted free distances, a line of the true ones, and where it flies; (h, TILE, 3) uint8.

    Directions lie where a pinhole camera of the fan's field of view has them in the image above.
    """
    picture = Image.new("RGB", (TILE, FAN), (240, 242, 244))
    draw = ImageDraw.Draw(picture)

    def across(angle: Any) -> Any:
        return TILE / 2 * (1 - np.tan(angle) / np.tan(steering.field_of_view / 2))

    edges = across(steering.edges())
    heights = (FAN - 3) * (1 - np.clip(free / steering.reach, 0, 1)) + 2
    truths = (FAN - 3) * (1 - np.clip(true / steering.reach, 0, 1)) + 2
    for k, (left, right) in enumerate(pairwise(edges)):
        draw.rectangle((left, heights[k], max(left, right - 1), FAN), fill=(86, 180, 233))
    line = [(x, y) for k, y in enumerate(truths) for x in (edges[k], edges[k + 1])]
    draw.line(line, fill=INK, width=2)
    x = float(np.clip(across(direction), 1, TILE - 2))
    draw.line((x, 0, x, FAN), fill=CHOICE, width=3)
    return np.asarray(picture)


def _course(lattice: Lattice, pilots: Sequence[Pilot], radius: float) -> U8:
    """The course with one flight an arm, and a legend."""
    plan, margin = lattice.plan, 0.4
    first = float(lattice.rows.min()) - 1.0
    span, width = min(plan.end + margin, plan.length + 3) - first, plan.width + 2 * margin
    scale = MAP_WIDTH / span
    height = round(width * scale)
    xs = first + (np.arange(0, MAP_WIDTH, 2) + 1) / scale
    ys = width / 2 - (np.arange(0, height, 2) + 1) / scale
    clearance = plan.clearance(np.stack(np.meshgrid(xs, ys), -1))
    ground: NDArray[np.uint8] = np.full((*clearance.shape, 3), PAPER, np.uint8)
    ground[clearance < radius] = (226, 230, 235)
    ground[clearance < 0] = (110, 118, 128)
    picture = Image.fromarray(ground).resize((MAP_WIDTH, height), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    finish = (plan.length - first) * scale
    draw.line((finish, 0, finish, height), fill=INK, width=2)
    colours = _colours(pilots)
    font: Any = ImageFont.load_default(16)
    legend = Image.new("RGB", (MAP_WIDTH, 24 * (len(pilots) + 1) + 6), PAPER)
    write = ImageDraw.Draw(legend)
    for row, (pilot, colour) in enumerate(zip(pilots, colours, strict=True)):
        points = [((x - first) * scale, (width / 2 - y) * scale) for x, y in pilot.flight.poses[:, :2].tolist()]
        draw.line(points, fill=colour, width=4, joint="curve")
        x, y = points[-1]
        if pilot.flight.collided:
            for slope in (-1, 1):
                draw.line((x - 10, y - 10 * slope, x + 10, y + 10 * slope), fill=colour, width=5)
        else:
            draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
        write.line((8, 24 * row + 16, 48, 24 * row + 16), fill=colour, width=4)
        write.text((58, 24 * row + 6), f"{pilot.shown.title}: {pilot.end}", fill=INK, font=font)
    metres = 5 * scale
    y = 24 * len(pilots) + 16
    write.line((8, y, 8 + metres, y), fill=INK, width=3)
    write.text((16 + metres, y - 10), "5 m; the upright line is the finish", fill=INK, font=font)
    return stacked([np.asarray(picture), np.asarray(legend)])


def _colours(pilots: Sequence[Pilot]) -> list[Colour]:
    """Grey for synthetic, black for real, and a colour each for the others, as in the report's plots."""
    fixed: dict[str, Colour] = {"synthetic": GREY, "real": INK}
    others = iter(COLOURS)
    return [fixed.get(pilot.shown.arm.family) or next(others) for pilot in pilots]
