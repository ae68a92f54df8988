"""Example phrases that ask for an edit, and similar phrases that ask for something else.

`train/starter/export_towers.py` stores the text embedding of each, in the order of `all_phrases`.
"""

from __future__ import annotations

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")

_COLOUR = """
    make it {0} | turn it {0} | paint it {0} | colour everything {0} | the same in {0} | {0} tint | a {0} version of it
    {0} instead | in {0} light | {0} tones | this picture, but in {0} | this clip, but {0}
"""
_OTHER = {
    "grey": """
        make it grey | turn it gray | in black and white | black and white version | grayscale | monochrome | no colors
        without colour | remove the colour | desaturated | colourless | drain the colour from it
        this picture, but in black and white | this clip, but in black and white | BW | not coloured
        before there was colour photography
    """,
    "night": """
        at night | the same at night | make it night | in the night | by night | nighttime version | late at night
        after sunset in the dark | under a night sky | a night shot of it | at midnight
        this picture, but at night | this clip, but at night
    """,
    "dark": """
        make it darker | darken it | the same but darker | less light | lower the brightness | underexposed | dimmer
        this picture, but darker | a darker version | a darker picture | turn the light down | this is far too bright
    """,
    "bright": """
        make it brighter | brighten it | the same but brighter | more light | lighter | increase brightness
        turn up the brightness | overexposed | higher exposure | in brighter light | this picture, but brighter
        a brighter version | turn the light up | this is far too dark
    """,
    "flip": """
        flip it | mirror it | flipped | mirrored | mirror image | flip it horizontally | flip left to right
        reversed left and right | exchange left and right | facing the other way | looking in the other direction
        this picture, but mirrored
    """,
    "sepia": """
        in sepia | make it sepia | a sepia version | like an old photo | an old brown photograph
        yellowed with age | from a hundred years ago | brown tint | this picture, but in sepia
    """,
    "negative": """
        as a negative | invert the colours | inverted colors | a film negative | negative image | with reversed colours
    """,
    "upside down": """
        upside down | turn it upside down | flip it upside down | flip it vertically | turn it by half a circle
        head down | overturned | with the top below and the bottom above | rotate it until it is upside down
        this picture, but upside down
    """,
    "crop": """
        zoom in | closer | a closer view | crop it | cropped | only the middle of it | just the central part
        enlarge it | cut off the borders | seen from nearer | a close-up of it | this picture, but closer
    """,
    "blur": """
        out of focus | blur it | make it blurry | blurred | a blurred version | in soft focus | less sharp | not sharp
        this picture, but out of focus
    """,
    "vivid": "more vivid | more saturated colours | more colourful | stronger colors | increase the saturation",
    "warm": "make it warmer | warmer colours | in warm light | warm tones | golden light",
    "cold": "make it colder | colder colours | in cold light | cool tones | cooler colours",
}
_NO_EDITS = """
    a person | a man | a woman | a child | a dog | a cat | a car | a house | a red car | a blue shirt | green grass
    with a dog | with a child | with a hat | with more people | without people | on the beach | in the snow
    in the rain | in the city | in a forest | on a mountain | indoors | on a table | running | sitting down
    the same person dancing | the same but in winter | the same but with a horse | the same place | the same thing
    a different one | make it bigger | make it a cat | turn it into a dog | replace it with a bicycle
    add a person | remove the person | as a painting
    a woman in a red dress | a man in a black jacket | a dog running on green grass | white flowers
    a different angle | rotate it | at sunset | with long sleeves | with short sleeves and a pattern | a blue sky
    rotated by a quarter | stretched wide | as a cartoon | in 3D | with a caption written below | with ripples
"""


def all_phrases() -> tuple[tuple[str, str | None], ...]:
    """Return every phrase with the name of its edit; None for phrases that ask for no edit."""
    colours = {colour: _COLOUR.format(colour) for colour in COLOURS}
    edits = [(phrase, name) for name, table in (colours | _OTHER).items() for phrase in _listed(table)]
    return (*edits, *((phrase, None) for phrase in _listed(_NO_EDITS)))


def _listed(table: str) -> list[str]:
    """Split a table of phrases at line ends and bars."""
    return [phrase.strip() for line in table.strip().splitlines() for phrase in line.split("|")]
