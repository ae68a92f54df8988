"""Descriptions of the ImageNet classes, for a sentence encoder that knows words but not the data set.

Many names are ambiguous ("sorrel" is a horse there, not a herb; "boxer" a dog). The kind of an animal is added by its
position in the list, which is ordered by kind; other names get a description where the bare word means something else,
or says less than the pictures show. Written by hand from knowledge of the classes, after it was seen once which label
queries found nothing on dev photos ("a horse": ImageNet calls it sorrel).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

CLASS_NAME = re.compile(r"class:(?P<number>\d+):(?P<variant>\d+)")
"""The name of a synthetic picture of a class, see `train.starter.classes`."""
PROMPTS = ("a {}", "a photo of a {}", "{}", "there is a {} here")

KINDS: tuple[tuple[range, str], ...] = (
    (range(0, 7), "fish"),
    (range(7, 25), "bird"),
    (range(25, 30), "salamander"),
    (range(30, 33), "frog"),
    (range(33, 38), "turtle"),
    (range(38, 49), "lizard"),
    (range(52, 69), "snake"),
    (range(72, 78), "spider"),
    (range(80, 101), "bird"),
    (range(118, 122), "crab"),
    (range(127, 147), "bird"),
    (range(151, 269), "dog"),
    (range(269, 273), "wolf"),
    (range(277, 281), "fox"),
    (range(281, 286), "cat"),
    (range(286, 294), "wild cat"),
    (range(294, 298), "bear"),
    (range(300, 308), "beetle"),
    (range(321, 327), "butterfly"),
    (range(330, 333), "rabbit"),
    (range(365, 383), "monkey"),
    (range(389, 398), "fish"),
)
MEANINGS: dict[str, str] = {
    "sorrel": "brown horse",
    "ox": "ox, a cow",
    "ram": "ram, a sheep",
    "bighorn": "bighorn sheep",
    "hog": "hog, a pig",
    "tusker": "tusker elephant",
    "Angora": "Angora rabbit",
    "lesser panda": "red panda",
    "horse cart": "horse and cart",
    "oxcart": "ox and cart",
    "dogsled": "dog sled in the snow",
    "bobsled": "bobsled on ice and snow",
    "ski": "skier on skis in the snow",
    "snowmobile": "snowmobile in the snow",
    "snowplow": "snow plow on a snowy road",
    "alp": "snowy mountain",
    "valley": "valley between mountains",
    "volcano": "volcano, a mountain",
    "cliff": "rock cliff",
    "promontory": "rocky coast by the sea",
    "seashore": "sea shore, a beach with waves",
    "sandbar": "sand beach by the water",
    "lakeside": "lake shore",
    "breakwater": "breakwater in the sea",
    "geyser": "geyser, water shooting up",
    "swimming trunks": "man in swimming trunks",
    "bikini": "woman in a bikini",
    "maillot": "woman in a swimsuit",
    "maillot tank suit": "woman in a one-piece swimsuit",
    "bathing cap": "swimmer with a bathing cap in a pool",
    "snorkel": "person with a snorkel under water",
    "scuba diver": "scuba diver under water",
    "paddle": "person with a paddle in a kayak",
    "canoe": "people in a canoe",
    "ballplayer": "baseball player",
    "baseball": "baseball ball",
    "basketball": "basketball player with a ball",
    "volleyball": "volleyball player with a ball",
    "soccer ball": "soccer player with a football",
    "rugby ball": "rugby player with a ball",
    "football helmet": "american football player with a helmet",
    "tennis ball": "tennis ball",
    "racket": "tennis player with a racket",
    "puck": "ice hockey player with a puck",
    "horizontal bar": "gymnast on a horizontal bar",
    "parallel bars": "gymnast on parallel bars",
    "balance beam": "gymnast on a balance beam",
    "punching bag": "boxer with a punching bag",
    "barbell": "weight lifter with a barbell",
    "crash helmet": "person with a motorcycle helmet",
    "mountain bike": "person riding a mountain bicycle",
    "unicycle": "person riding a unicycle",
    "bicycle-built-for-two": "two people on a tandem bicycle",
    "tricycle": "child on a tricycle",
    "moped": "moped, a motorcycle",
    "motor scooter": "motor scooter, a motorcycle",
    "go-kart": "go-kart race",
    "racer": "race car",
    "cab": "taxi cab",
    "beach wagon": "station wagon car",
    "Model T": "old Ford Model T car",
    "amphibian": "amphibious vehicle",
    "liner": "ocean liner ship",
    "trimaran": "trimaran sailing boat",
    "catamaran": "catamaran sailing boat",
    "yawl": "sailing boat",
    "schooner": "schooner sailing ship",
    "plane": "carpenter's plane tool",
    "parachute": "person with a parachute in the sky",
    "swing": "child on a swing",
    "maze": "garden maze",
    "park bench": "bench in a park",
    "patio": "patio of a house with a table",
    "pier": "pier over the water",
    "groom": "bride and groom at a wedding",
    "gown": "woman in a long dress",
    "hoopskirt": "woman in a wide old dress",
    "miniskirt": "woman in a short skirt",
    "jean": "person in blue jeans",
    "jersey": "person in a t-shirt",
    "sweatshirt": "person in a sweatshirt",
    "suit": "man in a suit",
    "abaya": "woman in a black robe",
    "stole": "woman with a shawl",
    "poncho": "person in a poncho",
    "mortarboard": "graduate with a mortarboard cap",
    "sunglass": "person with sunglasses",
    "sunglasses": "person wearing sunglasses",
    "cowboy hat": "person in a cowboy hat",
    "sombrero": "person in a straw hat",
    "wig": "person with a wig",
    "mask": "person with a mask",
    "bonnet": "baby with a bonnet",
    "bib": "baby with a bib",
    "diaper": "baby in a diaper",
    "bassinet": "baby in a bassinet",
    "crib": "baby in a crib",
    "stage": "performers on a stage with lights",
    "torch": "burning torch, fire",
    "spotlight": "spotlight in the dark",
    "cinema": "cinema theater at night",
    "upright": "upright piano",
    "sax": "saxophone",
    "pick": "guitar pick",
    "drumstick": "drum sticks of a drummer",
    "pool table": "billiard table",
    "screen": "computer screen",
    "monitor": "computer monitor",
    "mouse": "computer mouse",
    "notebook": "notebook computer",
    "hay": "hay on a field of grass",
    "rapeseed": "field of yellow flowers",
    "worm fence": "wooden rail fence",
    "chainlink fence": "wire fence",
    "picket fence": "white wooden fence",
    "flagpole": "flag on a pole",
    "bannister": "stairs with a railing",
    "steel drum": "steel drum instrument",
    "hip": "rose hip fruit",
    "ear": "ear of corn",
    "plate": "plate of food",
}


def class_texts() -> list[tuple[str, str]]:
    """Return the name of each synthetic picture and a text that describes it."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    names = list(_IMAGENET_CATEGORIES), described(_IMAGENET_CATEGORIES)
    return [
        (f"class:{number}:{variant}", prompt.format(names[variant % 2][number]))
        for number in range(len(names[0]))
        for variant, prompt in enumerate(PROMPTS)
    ]


def described(names: Sequence[str]) -> list[str]:
    """Return a self-explanatory description of each class, in the order of the classifier."""
    kinds = {number: kind for numbers, kind in KINDS for number in numbers}
    return [MEANINGS.get(name) or _of_kind(name, kinds.get(number)) for number, name in enumerate(names)]


def _of_kind(name: str, kind: str | None) -> str:
    return f"{name} {kind}" if kind and kind not in name else name
