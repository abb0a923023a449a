"""Who walks through a gallery: how they look, where they go, and how they hold themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .noise import Array, stream

HELMET, HEAD = 0, 1  # labels
HATS = ("helmet", "hair", "cap")
STRIDE = 1.45  # metres a full step left and right

_HELMETS = {"white": (0.62, 0.66, 0.66), "yellow": (0.03, 0.45, 0.62), "red": (0.04, 0.04, 0.45),
            "blue": (0.42, 0.14, 0.03), "orange": (0.02, 0.19, 0.62)}
_CAPS = ((0.03, 0.03, 0.03), (0.12, 0.05, 0.03), (0.10, 0.11, 0.11), (0.03, 0.03, 0.25), (0.30, 0.30, 0.29),
         (0.05, 0.11, 0.06), (0.03, 0.25, 0.38))
_CLOTHES = ((0.12, 0.06, 0.03), (0.05, 0.045, 0.04), (0.12, 0.12, 0.12), (0.05, 0.07, 0.10), (0.04, 0.20, 0.42),
            (0.22, 0.20, 0.18), (0.20, 0.09, 0.05))
_VESTS = ((0.03, 0.55, 0.5), (0.02, 0.20, 0.60))
_SKINS = ((0.24, 0.32, 0.48), (0.17, 0.24, 0.38), (0.09, 0.14, 0.24), (0.045, 0.07, 0.13))
_HAIRS = ((0.012, 0.013, 0.016), (0.02, 0.03, 0.05), (0.05, 0.09, 0.14), (0.22, 0.23, 0.24))


@dataclass(frozen=True)
class Looks:
    """What somebody wears; colours BGR, the share of light given back."""

    height: float  # metres
    stout: float  # 1 is lean
    hat: str  # one of HATS
    hat_colour: Array
    has_peak: bool  # of a cap; else it is a woollen one
    has_lamp: bool
    hair: Array
    is_bald: bool
    beard: float  # 0 to 1
    skin: Array
    jacket: Array
    trousers: Array
    vest: Array | None
    has_stripes: bool
    grime: float  # 0 to 1

    @property
    def label(self) -> int:
        """HELMET or HEAD: caps and bare heads are HEAD."""
        return HELMET if self.hat == "helmet" else HEAD


@dataclass(frozen=True)
class Pose:
    """How somebody stands at one moment."""

    place: Array  # [3] metres, between the feet
    heading: float  # radians; 0 looks along z, away from the camera
    step: float  # radians of the walk's cycle
    swing: float  # 0 stands, 1 walks
    look: float  # radians that the head is turned right of the heading
    nod: float  # radians that the head looks down
    arms: float  # radians that the arms are lifted forward


@dataclass(frozen=True)
class Walker:
    """Somebody on the way from one end to the other, or at work in one spot."""

    identity: int
    looks: Looks
    born: float  # seconds at which the way begins
    begin: float  # z there
    speed: float  # metres a second along z; 0 works in one spot
    gone: float  # seconds at which it ends
    lane: float  # metres right of the gallery's middle line
    facing: float  # heading of one who works in a spot
    rhythm: Array  # [4] phases

    def pose(self, seconds: float, bend: float) -> Pose:
        """Where and how at `seconds`, in a gallery with that bend."""
        z = self.begin + self.speed * (seconds - self.born)
        x = bend * z * z + self.lane + 0.12 * np.sin(0.6 * z + self.rhythm[0])
        look = 0.5 * np.sin(0.55 * seconds + self.rhythm[1]) * np.sin(0.23 * seconds + self.rhythm[2])
        nod = 0.12 + 0.12 * np.sin(0.4 * seconds + self.rhythm[3])
        if self.speed:
            heading = (0.0 if self.speed > 0 else np.pi) + 2 * bend * z * np.sign(self.speed)
            return Pose(np.array([x, 0.0, z]), float(heading), float(2 * np.pi * z / STRIDE + self.rhythm[0]), 1.0,
                        float(look), float(nod), 0.0)
        arms = 0.7 + 0.35 * np.sin(1.3 * seconds + self.rhythm[1])
        return Pose(np.array([x, 0.0, z]), self.facing + 0.15 * float(look), 0.0, 0.0, float(look),
                    float(nod) + 0.15, float(arms))


def walkers_at(seed: int, count: int, seconds: float, near: float, far: float,
               lane: tuple[float, float]) -> list[Walker]:
    """Those `count` people who are in the gallery between z = near and far at that moment."""
    return [_one_at(seed, slot, count, seconds, near, far, lane) for slot in range(count)]


def _one_at(seed: int, slot: int, count: int, seconds: float, near: float, far: float,
            lane: tuple[float, float]) -> Walker:
    walkers = _one_after_another(seed, slot, count, near, far, lane)
    return next(walker for walker in walkers if seconds < walker.gone)


def _one_after_another(seed: int, slot: int, count: int, near: float, far: float,
                       lane: tuple[float, float]) -> Iterator[Walker]:
    """The people who use one of `count` slots, endlessly; each has a strip of the lane to walk on."""
    clock = 0.0
    turn = 0
    while True:
        rng = stream(seed, 3, slot, turn)
        looks = looks_by_chance(rng)
        strip = (lane[1] - lane[0]) / max(count, 1)
        at = lane[0] + strip * ((slot * 3 + int(rng.integers(0, 2))) % max(count, 1) + rng.uniform(0.2, 0.8))
        identity = turn * count + slot + 1
        rhythm = rng.uniform(0, 2 * np.pi, 4)
        if turn == 0:
            begin = near + (far - near) * float(rng.beta(1.1, 1.9))
        if turn == 0 and rng.random() < 0.3:
            gone = float(rng.uniform(20, 90))
            yield Walker(identity, looks, 0.0, begin, 0.0, gone, at, float(rng.uniform(0, 2 * np.pi)), rhythm)
        else:
            speed = float(rng.choice([-1, 1], p=[0.62, 0.38]) * rng.uniform(0.8, 1.5))
            if turn:
                begin = far if speed < 0 else near
            gone = clock + ((near if speed < 0 else far) - begin) / speed
            yield Walker(identity, looks, clock, begin, speed, gone, at, 0.0, rhythm)
        clock = gone
        turn += 1


def looks_by_chance(rng: np.random.Generator) -> Looks:
    """Two thirds wear helmets; the others are bareheaded or in caps."""
    hat = str(rng.choice(HATS, p=[0.64, 0.2, 0.16]))
    colours = list(_HELMETS.values()) if hat == "helmet" else list(_CAPS)
    grime = float(rng.beta(2.0, 2.0))
    jacket = _worn(_shade(rng, _CLOTHES), grime)
    return Looks(
        height=float(rng.uniform(1.62, 1.9)), stout=float(rng.uniform(0.95, 1.25)), hat=hat,
        hat_colour=_shade(rng, colours), has_peak=bool(rng.random() < 0.55),
        has_lamp=bool(rng.random() < 0.6) and hat == "helmet", hair=_shade(rng, _HAIRS),
        is_bald=bool(rng.random() < 0.12), beard=float(rng.random() < 0.35) * float(rng.uniform(0.4, 1)),
        skin=_shade(rng, _SKINS), jacket=jacket,
        trousers=jacket if rng.random() < 0.6 else _worn(_shade(rng, _CLOTHES), grime),
        vest=_worn(_shade(rng, _VESTS), grime) if rng.random() < 0.25 else None, has_stripes=bool(rng.random() < 0.75),
        grime=grime)


def _worn(colour: Array, grime: float) -> Array:
    """Cloth that coal dust has greyed."""
    share = np.float32(0.3 + 0.5 * grime)
    return colour * (1 - share) + share * np.float32(0.045)


def _shade(rng: np.random.Generator, colours: Sequence[tuple[float, ...]]) -> Array:
    picked = np.array(colours[int(rng.integers(len(colours)))], np.float32)
    return np.asarray(picked * np.float32(rng.uniform(0.75, 1.15)), np.float32)
