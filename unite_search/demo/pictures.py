"""The pictures of the library, in variants, so that "make it red", "at night" or "mirrored" has a right answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from PIL import Image, ImageOps

from unite_search.demo import fruit, nature, scenes, things
from unite_search.demo.canvas import WHITE, Canvas, Colour
from unite_search.demo.scenes import Hour

Draw = Callable[[Canvas], None]
Background = Callable[[Canvas, Hour], None]

GRAIN = 1.5
COLOURS: dict[str, Colour] = {
    "red": (208, 42, 44),
    "blue": (42, 96, 204),
    "green": (46, 150, 74),
    "yellow": (246, 202, 46),
    "white": WHITE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPicture:
    """One picture of the library.

    Attributes:
        folder: folder in the library.
        name: file name without suffix.
        background: draws the background.
        hour: time of day.
        things: draw what is in front of the background, in order.
        is_mirrored: whether the picture is mirrored left to right.
        caption: text of the sidecar; None for no sidecar.
    """

    folder: str
    name: str
    background: Background
    hour: Hour = "day"
    things: tuple[Draw, ...] = ()
    is_mirrored: bool = False
    caption: str | None = None

    def draw(self) -> Image.Image:
        """Draw the picture, 480 by 360 pixels."""
        canvas = backdrop(self.background, self.hour).copy()
        for thing in self.things:
            thing(canvas)
        picture = canvas.finish(grain=GRAIN, seed=len(self.name))
        return ImageOps.mirror(picture) if self.is_mirrored else picture


@cache
def backdrop(background: Background, hour: Hour, width: int = 480, oversample: int = 3) -> Canvas:
    """Return a background, which is drawn once; copy it to draw on it."""
    canvas = Canvas(width, oversample=oversample)
    background(canvas, hour)
    return canvas


def all_pictures() -> list[DrawnPicture]:
    """Return every picture of the library, in a fixed order."""
    return [*_outdoors(), *_street(), *_kitchen(), *_garden(), *_places()]


def open_sea(canvas: Canvas, hour: Hour) -> None:
    """Draw sky over water without land."""
    scenes.sky(canvas, hour, horizon=1.6)
    scenes.sea(canvas, hour, horizon=1.6)


def clear_water(canvas: Canvas, hour: Hour) -> None:
    """Draw a scene under water."""
    canvas.tint = scenes.MOODS[hour].tint
    nature.water(canvas)


def _outdoors() -> Iterator[DrawnPicture]:
    picture = partial(DrawnPicture, folder="outdoors")
    for name in ("red", "blue", "green", "yellow"):
        balloon = partial(things.hot_air_balloon, x=2, y=1.15, size=0.9, colour=COLOURS[name])
        yield picture(name=f"balloon_{name}", background=scenes.meadow, things=(balloon,))
    balloon = partial(things.hot_air_balloon, x=2, y=1.15, size=0.9, colour=COLOURS["red"])
    yield picture(name="balloon_red_night", background=scenes.meadow, hour="night", things=(balloon,))
    for name in ("red", "blue", "yellow"):
        umbrella = partial(things.umbrella, x=2, y=1.75, size=1.15, colour=COLOURS[name])
        yield picture(name=f"umbrella_{name}", background=scenes.beach, things=(umbrella,))
    umbrella = partial(things.umbrella, x=2, y=1.75, size=1.15, colour=COLOURS["red"])
    yield picture(name="umbrella_red_night", background=scenes.beach, hour="night", things=(umbrella,))
    boat = partial(things.sailing_boat, x=1.7, y=2.4, size=1.15)
    white = partial(picture, background=open_sea, things=(partial(boat, colour=WHITE),))
    yield white(name="boat_white", caption="A sailing boat with white sails on a calm sea.")
    yield white(name="boat_white_mirrored", is_mirrored=True)
    yield white(name="boat_white_night", hour="night")
    yield picture(name="boat_red", background=open_sea, things=(partial(boat, colour=COLOURS["red"]),))
    lit: tuple[Hour, ...] = ("day", "night")
    for hour in lit:
        tower = partial(things.lighthouse, x=1.4, y=2.6, size=1.15, is_lit=hour == "night")
        yield picture(
            name=f"lighthouse_{hour}",
            background=open_sea,
            hour=hour,
            things=(tower,),
            caption=f"A lighthouse by {hour}.",
        )


def _street() -> Iterator[DrawnPicture]:
    picture = partial(DrawnPicture, folder="street")
    car = partial(things.car, x=1.9, y=2.6, size=1.2)
    for name in ("red", "blue", "green", "yellow"):
        yield picture(name=f"car_{name}", background=scenes.road, things=(partial(car, colour=COLOURS[name]),))
    red = partial(car, colour=COLOURS["red"])
    yield picture(name="car_red_mirrored", background=scenes.road, things=(red,), is_mirrored=True)
    yield picture(name="car_red_night", background=scenes.road, hour="night", things=(partial(red, lights=True),))
    for shows in things.SIGNALS:
        light = partial(things.traffic_light, x=2, y=1.2, size=1.05, shows=shows)
        yield picture(name=f"traffic_light_{shows}", background=scenes.road, things=(light,))
    house = partial(things.house, x=2, y=2.55, size=1.2)
    for name in ("red", "blue", "yellow"):
        yield picture(name=f"house_{name}", background=scenes.meadow, things=(partial(house, colour=COLOURS[name]),))
    at_night = partial(house, colour=COLOURS["blue"], is_lit=True)
    caption = "A blue house at night, light in its windows."
    yield picture(name="house_blue_night", background=scenes.meadow, hour="night", things=(at_night,), caption=caption)


def _kitchen() -> Iterator[DrawnPicture]:
    picture = partial(DrawnPicture, folder="kitchen")
    for name in ("red", "blue", "green", "white"):
        mug = partial(things.mug, x=1.9, y=2.55, size=1.4, colour=COLOURS[name])
        yield picture(name=f"mug_{name}", background=scenes.table, things=(mug,))
    bowl: dict[str, Draw] = {
        "orange": partial(fruit.orange, x=2, y=1.7, size=0.85),
        "lemon": partial(fruit.lemon, x=2, y=1.85, size=0.9, colour=(250, 218, 62)),
        "lime": partial(fruit.lemon, x=2, y=1.85, size=0.9, colour=(122, 186, 62)),
        "apple_red": partial(fruit.apple, x=2, y=1.7, size=0.9, colour=(204, 34, 40)),
        "apple_green": partial(fruit.apple, x=2, y=1.7, size=0.9, colour=(134, 196, 64)),
        "bananas": partial(fruit.banana, x=2, y=1.75, size=1.1),
        "strawberry": partial(fruit.strawberry, x=2, y=1.6, size=1.0),
    }
    for name, draw in bowl.items():
        yield picture(name=name, background=scenes.table, things=(draw,))
    oranges = [partial(fruit.orange, x=x, y=1.95, size=0.55) for x in (0.9, 2.0, 3.1)]
    yield picture(name="three_oranges", background=scenes.table, things=(*oranges,), caption="Three oranges in a row.")
    for name, colour, minutes in (("clock_red", "red", 10 * 60 + 10), ("clock_blue", "blue", 3 * 60 + 45)):
        clock = partial(things.clock, x=2, y=1.2, size=1.0, colour=COLOURS[colour], minutes=minutes)
        yield picture(name=name, background=scenes.table, things=(clock,))
    for name in ("red", "blue", "green"):
        shirt = partial(things.shirt, x=2, y=1.5, size=1.35, colour=COLOURS[name])
        yield picture(name=f"shirt_{name}", background=scenes.wall, things=(shirt,))


def _garden() -> Iterator[DrawnPicture]:
    picture = partial(DrawnPicture, folder="garden")
    flower = partial(nature.flower, x=2, y=1.25, size=0.95)
    sunflower = partial(flower, blossom=nature.Blossom((250, 196, 36), (92, 56, 28), 22))
    yield picture(name="sunflower", background=scenes.meadow, things=(sunflower,), caption="A sunflower in full bloom.")
    daisy = partial(flower, blossom=nature.Blossom(WHITE, (246, 196, 40), 16))
    yield picture(name="daisy", background=scenes.meadow, things=(daisy,))
    red_flower = partial(flower, blossom=nature.Blossom(COLOURS["red"], (246, 196, 40), 14))
    yield picture(name="flower_red", background=scenes.meadow, things=(red_flower,))
    for name, colour, is_spotted in (("red", COLOURS["red"], True), ("brown", (146, 96, 58), False)):
        mushroom = partial(nature.mushroom, x=2, y=2.7, size=1.3, colour=colour, is_spotted=is_spotted)
        yield picture(name=f"mushroom_{name}", background=scenes.meadow, things=(mushroom,))
    for name, leaves in (("summer", (84, 148, 58)), ("autumn", (222, 128, 40)), ("bare", None)):
        tree = partial(nature.tree, x=2, y=2.7, size=1.12, colour=leaves)
        yield picture(name=f"tree_{name}", background=scenes.meadow, things=(tree,))
    goldfish = partial(nature.fish, x=2, y=1.5, size=1.05, colour=(248, 134, 34))
    yield picture(name="goldfish", background=clear_water, things=(goldfish,))
    yield picture(name="goldfish_mirrored", background=clear_water, things=(goldfish,), is_mirrored=True)
    blue_fish = partial(nature.fish, x=2, y=1.5, size=1.05, colour=(48, 84, 214))
    yield picture(name="fish_blue", background=clear_water, things=(blue_fish,))
    yield picture(
        name="tennis_ball", background=scenes.meadow, things=(partial(things.tennis_ball, x=2, y=1.75, size=0.9),)
    )
    ball = partial(things.basketball, x=2, y=1.65, size=0.9, colour=(226, 116, 42))
    yield picture(name="basketball", background=scenes.table, things=(ball,))


def _places() -> Iterator[DrawnPicture]:
    picture = partial(DrawnPicture, folder="places")
    for hour in scenes.MOODS:
        yield picture(name=f"beach_{hour}", background=scenes.beach, hour=hour)
        yield picture(name=f"mountains_{hour}", background=scenes.mountains, hour=hour)
    yield picture(name="starry_sky", background=scenes.sky, hour="night", caption="Stars and a full moon.")
    yield picture(name="rainbow", background=_rainbow, caption="A rainbow over green hills after the rain.")
    yield picture(
        name="volcano",
        background=_evening,
        hour="sunset",
        things=(nature.volcano,),
        caption="A volcano erupts at dusk.",
    )
    yield picture(name="zebra_stripes", background=_zebra_stripes)


def _evening(canvas: Canvas, hour: Hour) -> None:
    scenes.sky(canvas, hour, light=(3.3, 1.6))


def _zebra_stripes(canvas: Canvas, hour: Hour) -> None:
    canvas.tint = scenes.MOODS[hour].tint
    nature.zebra_stripes(canvas)


def _rainbow(canvas: Canvas, hour: Hour) -> None:
    scenes.sky(canvas, hour, horizon=2.1, light=(3.7, 0.4))
    nature.rainbow(canvas)
    scenes.grass(canvas)
