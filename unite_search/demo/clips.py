"""Draw short clips, and a longer film of several scenes; H.264 in mp4, written by PyAV (extra `demo`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image, ImageOps

from indexers.extras import how_to_install
from unite_search.demo import fruit, nature, scenes, things
from unite_search.demo.canvas import DAYLIGHT, WHITE, Canvas
from unite_search.demo.pictures import COLOURS, Background, backdrop, clear_water, open_sea
from unite_search.demo.scenes import Hour

WIDTH = 320
OVERSAMPLE = 2
CLIP_RATE = 12
FILM_RATE = 6
QUALITY = "23"
HORIZON = 1.7

Move = Callable[[Canvas, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A fixed background and something that moves in front of it.

    Attributes:
        name: file name without suffix.
        background: drawn once.
        hour: time of day of the background.
        move: draws what moves, given the fraction of the shot that has passed.
        seconds: length.
        is_mirrored: whether the frames are mirrored left to right.
    """

    name: str
    background: Background
    hour: Hour = "day"
    move: Move
    seconds: float = 4.0
    is_mirrored: bool = False

    def frames(self, rate: int) -> Iterator[Image.Image]:
        """Yield the frames, 320 by 240 pixels each."""
        count = round(self.seconds * rate)
        still = backdrop(self.background, self.hour, WIDTH, OVERSAMPLE)
        for number in range(count):
            canvas = still.copy()
            self.move(canvas, number / (count - 1))
            picture = canvas.finish()
            yield ImageOps.mirror(picture) if self.is_mirrored else picture


def load_av() -> ModuleType:
    """Import and return PyAV.

    Raises:
        ImportError: PyAV is not installed; the message says how to install it.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(f"the demo library needs PyAV for its clips; {how_to_install('demo')}") from error
    module: ModuleType = av
    return module


def write_clip(shots: Sequence[Shot], rate: int, path: Path) -> None:
    """Write shots one after the other to a file."""
    with load_av().open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=rate, options={"crf": QUALITY, "preset": "veryfast", "threads": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, WIDTH * 3 // 4, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        for shot in shots:
            for picture in shot.frames(rate):
                container.mux(stream.encode(load_av().VideoFrame.from_image(picture)))
        container.mux(stream.encode())


def all_clips() -> list[Shot]:
    """Return the short clips, in a fixed order."""
    return [*_balls(), *_on_the_move(), *_living(), *_sky_and_time()]


def film() -> list[Shot]:
    """Return the scenes of the film, in order; `FILM_SCENES` says what each shows."""
    boat = _crossing(lambda canvas, x: things.sailing_boat(canvas, x, 2.4, 0.9, WHITE))
    return [
        Shot(name="beach", background=scenes.beach, move=_drifting_cloud, seconds=12),
        Shot(name="boat", background=open_sea, move=boat, seconds=12),
        Shot(name="balloon", background=scenes.meadow, move=_rising_balloon("red"), seconds=12),
        Shot(name="fish", background=clear_water, move=_swimming((248, 134, 34)), seconds=12),
        Shot(name="sunset", background=_sea_without_sun, hour="sunset", move=_setting_sun, seconds=12),
        Shot(name="lighthouse", background=open_sea, hour="night", move=_blinking_lighthouse, seconds=12),
    ]


FILM_SCENES = (
    "Morning at the beach, a cloud passes.",
    "A sailing boat crosses the sea.",
    "A red hot-air balloon rises over the meadow.",
    "A goldfish swims among the weeds.",
    "The sun sets behind the sea.",
    "At night the lighthouse blinks.",
)


def _balls() -> Iterator[Shot]:
    ball = _bouncing(lambda canvas, x, y: things.basketball(canvas, x, y, 0.45, (226, 116, 42)))
    yield Shot(name="basketball_bounces", background=scenes.wall, move=ball)
    tennis = _bouncing(lambda canvas, x, y: things.tennis_ball(canvas, x, y, 0.35))
    yield Shot(name="tennis_ball_bounces", background=scenes.meadow, move=tennis)
    orange = _crossing(lambda canvas, x: fruit.orange(canvas, x, 1.95, 0.5))
    yield Shot(name="orange_rolls", background=scenes.table, move=orange)


def _on_the_move() -> Iterator[Shot]:
    boat = _crossing(lambda canvas, x: things.sailing_boat(canvas, x, 2.4, 0.9, WHITE))
    yield Shot(name="boat_passes", background=open_sea, move=boat, seconds=5)
    yield Shot(name="boat_passes_night", background=open_sea, hour="night", move=boat, seconds=5)
    for name in ("red", "blue"):
        yield Shot(name=f"car_drives_{name}", background=scenes.road, move=_driving(name))
    yield Shot(name="car_drives_red_mirrored", background=scenes.road, move=_driving("red"), is_mirrored=True)
    yield Shot(name="car_drives_red_night", background=scenes.road, hour="night", move=_driving("red", lights=True))
    for name in ("red", "yellow"):
        yield Shot(name=f"balloon_rises_{name}", background=scenes.meadow, move=_rising_balloon(name), seconds=5)


def _living() -> Iterator[Shot]:
    yield Shot(name="goldfish_swims", background=clear_water, move=_swimming((248, 134, 34)))
    yield Shot(name="sunflower_grows", background=scenes.meadow, move=_growing_sunflower, seconds=5)


def _sky_and_time() -> Iterator[Shot]:
    yield Shot(name="sun_sets", background=_sea_without_sun, hour="sunset", move=_setting_sun, seconds=6)
    yield Shot(name="traffic_light_changes", background=scenes.road, move=_changing_light, seconds=3)
    yield Shot(name="clock_runs", background=scenes.table, move=_running_clock, seconds=4)


def _crossing(draw: Callable[[Canvas, float], None]) -> Move:
    """Return a move from beyond the left edge to beyond the right edge."""
    return lambda canvas, share: draw(canvas, -0.6 + 5.2 * share)


def _bouncing(draw: Callable[[Canvas, float, float], None]) -> Move:
    return lambda canvas, share: draw(canvas, 0.6 + 2.8 * share, 2.45 - 1.7 * abs(float(np.sin(share * 4 * np.pi))))


def _driving(colour: str, *, lights: bool = False) -> Move:
    return _crossing(lambda canvas, x: things.car(canvas, x, 2.6, 0.85, COLOURS[colour], lights=lights))


def _rising_balloon(colour: str) -> Move:
    return lambda canvas, share: things.hot_air_balloon(
        canvas, 1.7 + 0.7 * share, 2.6 - 2.0 * share, 0.75 - 0.2 * share, COLOURS[colour]
    )


def _swimming(colour: tuple[float, float, float]) -> Move:
    return _crossing(lambda canvas, x: nature.fish(canvas, x, 1.4 + 0.12 * float(np.sin(4 * x)), 0.7, colour))


def _growing_sunflower(canvas: Canvas, share: float) -> None:
    size = 0.25 + 0.65 * share
    nature.flower(canvas, 2, 3.1 - 2.05 * size, size, nature.Blossom((250, 196, 36), (92, 56, 28), 22))


def _sea_without_sun(canvas: Canvas, hour: Hour) -> None:
    scenes.sky(canvas, hour, horizon=HORIZON, light=(2, 9))
    scenes.sea(canvas, hour, horizon=HORIZON)


def _setting_sun(canvas: Canvas, share: float) -> None:
    height = 0.5 + 1.6 * share
    canvas.tint = DAYLIGHT
    canvas.glow(2, height, 1.9, (255, 206, 110), 0.8 - 0.4 * share)
    scenes.sun(canvas, 2, height, horizon=HORIZON)


def _drifting_cloud(canvas: Canvas, share: float) -> None:
    scenes.cloud(canvas, -0.3 + 2.4 * share, 0.95, 0.8)


def _blinking_lighthouse(canvas: Canvas, share: float) -> None:
    things.lighthouse(canvas, 1.4, 2.6, 1.1, is_lit=int(share * 12) % 2 == 0)


def _changing_light(canvas: Canvas, share: float) -> None:
    shows = ("red", "amber", "green")[min(int(share * 3), 2)]
    things.traffic_light(canvas, 2, 1.2, 1.05, shows)


def _running_clock(canvas: Canvas, share: float) -> None:
    things.clock(canvas, 2, 1.2, 1.0, COLOURS["red"], 480 + 180 * share)
