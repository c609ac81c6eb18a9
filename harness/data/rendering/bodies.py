"""The three families of figures (biped, quadruped, bird), with random proportions and joint angles.

Segment colours are drawn elsewhere and do not identify the segments, so every family has fixed marks: a white face with
dark eyes, a pale belly, dark feet that point forward, and a band around each limb, white left and dark right.
"""

from collections.abc import Callable

import numpy as np

from harness.data.rendering.capsules import DARK, WHITE, Figure, Frame, Sculptor, turn

X, Y, Z = 0, 1, 2
SIDES = (("left", 1.0), ("right", -1.0))
PARTS = {
    "biped": ("head", "body", "left upper arm", "right upper arm", "left lower arm", "right lower arm",
              "left upper leg", "right upper leg", "left lower leg", "right lower leg"),
    "quadruped": ("head", "neck", "body", "tail", "left ear", "right ear",
                  "left front leg", "right front leg", "left hind leg", "right hind leg"),
    "bird": ("head", "beak", "body", "tail", "left inner wing", "right inner wing",
             "left outer wing", "right outer wing", "left leg", "right leg"),
}


def biped(rng: np.random.Generator) -> Figure:
    """Return a standing, walking or waving biped."""
    sculptor = Sculptor(PARTS["biped"])
    between = rng.uniform
    torso, girth = between(0.36, 0.5), between(0.9, 1.15)
    spine = Frame().child((0, 0, 0), turn(Y, between(-15, 30)), turn(X, between(-15, 15)))
    _torso(sculptor, spine, torso, girth)
    head = spine.child((0, 0, torso + 0.19), turn(Z, between(-40, 40)), turn(Y, between(-20, 25)))
    size = between(0.9, 1.15)
    sculptor.ball("head", head, (0, 0, 0.13), (0.2 * size, 0.2 * size, 0.21 * size))
    _face(sculptor, "head", head.child((0, 0, 0.13)), size)
    sculptor.centre("head", head.at((0, 0, 0.13)))
    sculptor.joint("head top", head.at((0, 0, 0.13 + 0.17 * size)), "head")
    sculptor.joint("neck", spine.at((0, 0, torso + 0.08)), "head", "body")
    arm, leg, thick = between(0.27, 0.36), between(0.3, 0.4), between(0.95, 1.15)
    for side, sign in SIDES:
        shoulder = spine.child((0, sign * 0.24 * girth, torso), turn(Y, -between(-50, 100)),
                               turn(X, sign * between(8, 130)), turn(Z, between(-60, 60)))
        elbow = shoulder.child((0, 0, -arm), turn(Y, -between(0, 110)))
        for name, frame in (("upper", shoulder), ("lower", elbow)):
            sculptor.limb(f"{side} {name} arm", frame, -arm, (0.105 * thick,) * 3)
            sculptor.band(f"{side} {name} arm", frame, -arm / 2, (0.105 * thick,) * 2)
            sculptor.centre(f"{side} {name} arm", frame.at((0, 0, -arm / 2)))
        sculptor.joint(f"{side} shoulder", shoulder.origin, "body", f"{side} upper arm")
        sculptor.joint(f"{side} elbow", elbow.origin, f"{side} upper arm", f"{side} lower arm")
        sculptor.joint(f"{side} hand", elbow.at((0, 0, -arm)), f"{side} lower arm")
        hip = Frame().child((0, sign * 0.13 * girth, -0.06), turn(Y, -between(-40, 75)), turn(X, sign * between(0, 40)))
        knee = hip.child((0, 0, -leg), turn(Y, between(0, 85)))
        for name, frame in (("upper", hip), ("lower", knee)):
            sculptor.limb(f"{side} {name} leg", frame, -leg, (0.11 * thick,) * 3)
            sculptor.band(f"{side} {name} leg", frame, -leg / 2, (0.11 * thick,) * 2)
            sculptor.centre(f"{side} {name} leg", frame.at((0, 0, -leg / 2)))
        _foot(sculptor, f"{side} lower leg", knee.child((0, 0, -leg)), 0.12 * thick)
        sculptor.joint(f"{side} hip", hip.origin, "body", f"{side} upper leg")
        sculptor.joint(f"{side} knee", knee.origin, f"{side} upper leg", f"{side} lower leg")
        sculptor.joint(f"{side} foot", knee.at((0.08, 0, -leg)), f"{side} lower leg")
    return sculptor.figure()


def _torso(sculptor: Sculptor, spine: Frame, torso: float, girth: float) -> None:
    sculptor.limb("body", spine, torso, (0.16 * girth, 0.22 * girth, 0.16))
    sculptor.ball("body", spine, (0.08 * girth, 0, torso * 0.45), (0.12 * girth, 0.15 * girth, 0.22), WHITE)
    sculptor.centre("body", spine.at((0, 0, torso / 2)))


def _face(sculptor: Sculptor, part: str, centre: Frame, size: float) -> None:
    """Put a white face with dark eyes on the front of a head of radius 0.2 * size."""
    sculptor.ball(part, centre, (0.075 * size, 0, -0.02 * size), (0.15 * size, 0.16 * size, 0.16 * size), WHITE)
    for _, sign in SIDES:
        sculptor.ball(part, centre, (0.19 * size, sign * 0.08 * size, 0.03 * size), (0.05 * size,) * 3, DARK)


def _foot(sculptor: Sculptor, part: str, ankle: Frame, radius: float) -> None:
    sculptor.ball(part, ankle, (0.7 * radius, 0, -0.2 * radius), (1.6 * radius, radius, 0.8 * radius), DARK)


def quadruped(rng: np.random.Generator) -> Figure:
    """Return a standing, walking or grazing quadruped with large ears."""
    sculptor = Sculptor(PARTS["quadruped"])
    between = rng.uniform
    length, girth = between(0.5, 0.75), between(0.95, 1.15)
    chest = Frame(np.array([length / 2, 0.0, 0.0]))
    rump = chest.child((0, 0, 0), turn(Z, between(-25, 25)), turn(Y, between(-15, 15)))
    along = rump.child((0, 0, 0), turn(Y, -90))  # its z runs backwards along the spine
    sculptor.limb("body", along, length, (0.2 * girth, 0.18 * girth, 0.19 * girth))
    sculptor.ball("body", chest, (0.06, 0, -0.07), (0.17 * girth, 0.14 * girth, 0.16 * girth), WHITE)
    sculptor.centre("body", along.at((0, 0, length / 2)))
    _quadruped_head(sculptor, chest, rng)
    tail_length = between(0.35, 0.5)
    tail = along.child((0.08, 0, length + 0.1), turn(X, between(-50, 50)), turn(Y, between(-30, 80)))
    sculptor.limb("tail", tail, tail_length, (0.08, 0.08, 0.08))
    sculptor.centre("tail", tail.at((0, 0, tail_length / 2)))
    sculptor.joint("tail root", tail.origin, "body", "tail")
    sculptor.joint("tail tip", tail.at((0, 0, tail_length)), "tail")
    leg, thick = between(0.22, 0.32), between(0.95, 1.15)
    for side, sign in SIDES:
        for end, root, bend in (("front", chest.child((-0.04, 0, 0)), -1.0),
                                ("hind", rump.child((-length + 0.04, 0, 0)), 1.0)):
            part = f"{side} {end} leg"
            top = root.child((0, sign * 0.14 * girth, -0.1), turn(Y, between(-45, 45)), turn(X, sign * between(0, 25)))
            knee = top.child((0, 0, -leg), turn(Y, bend * between(0, 60)))
            for frame in (top, knee):
                sculptor.limb(part, frame, -leg, (0.1 * thick,) * 3)
            sculptor.band(part, knee, 0, (0.1 * thick,) * 2)
            _foot(sculptor, part, knee.child((0, 0, -leg)), 0.11 * thick)
            sculptor.centre(part, knee.origin)
            sculptor.joint(f"{side} {'shoulder' if end == 'front' else 'hip'}", top.origin, "body", part)
            sculptor.joint(f"{side} {end} paw", knee.at((0.05, 0, -leg)), part)
    return sculptor.figure()


def _quadruped_head(sculptor: Sculptor, chest: Frame, rng: np.random.Generator) -> None:
    between = rng.uniform
    length, size = between(0.3, 0.42), between(0.95, 1.15)
    neck = chest.child((0.08, 0, 0.08), turn(Z, between(-35, 35)), turn(Y, between(5, 75)))
    sculptor.limb("neck", neck, length, (0.11, 0.11, 0.11))
    sculptor.centre("neck", neck.at((0, 0, length * 0.55)))
    sculptor.joint("withers", neck.origin, "body", "neck")
    level = turn(Y, between(-60, 0))  # undoes most of the neck's pitch, so that the head looks ahead
    head = neck.child((0, 0, length), level, turn(Z, between(-30, 30)))
    middle = head.child((0.08, 0, 0.06))
    sculptor.ball("head", middle, (0, 0, 0), (0.2 * size, 0.18 * size, 0.18 * size))
    sculptor.ball("head", middle, (0.17 * size, 0, -0.05 * size), (0.15 * size, 0.11 * size, 0.1 * size), WHITE)
    sculptor.ball("head", middle, (0.31 * size, 0, -0.02 * size), (0.05 * size,) * 3, DARK)
    for _, sign in SIDES:
        sculptor.ball("head", middle, (0.14 * size, sign * 0.11 * size, 0.08 * size), (0.05 * size,) * 3, DARK)
    sculptor.centre("head", middle.origin)
    sculptor.joint("nose", middle.at((0.3 * size, 0, -0.03 * size)), "head")
    ear_length = between(0.22, 0.34)
    for side, sign in SIDES:
        ear = middle.child((-0.06, sign * 0.13 * size, 0.1 * size), turn(X, -sign * between(10, 100)),
                           turn(Y, between(-50, 10)))
        sculptor.limb(f"{side} ear", ear, ear_length, (0.06, 0.1, 0.09))
        sculptor.band(f"{side} ear", ear, ear_length * 0.55, (0.06, 0.1), 0.1)
        sculptor.centre(f"{side} ear", ear.at((0, 0, ear_length * 0.55)))
        sculptor.joint(f"{side} ear tip", ear.at((0, 0, ear_length)), f"{side} ear")


def bird(rng: np.random.Generator) -> Figure:
    """Return a standing or flying bird."""
    sculptor = Sculptor(PARTS["bird"])
    between = rng.uniform
    length, girth, pitch = between(0.3, 0.45), between(0.95, 1.15), between(15, 75)
    body = Frame().child((0, 0, 0), turn(Y, pitch))  # its z runs forward and up, its x down and forward
    sculptor.limb("body", body, length, (0.2 * girth, 0.2 * girth, 0.2))
    sculptor.ball("body", body, (0.08 * girth, 0, length * 0.6), (0.15 * girth, 0.15 * girth, 0.24), WHITE)
    sculptor.centre("body", body.at((0, 0, length / 2)))
    neck = body.child((0, 0, length + 0.16))
    gaze = turn(Z, between(-50, 50)) @ turn(Y, between(-20, 25))
    _bird_head(sculptor, neck.child((0, 0, 0), turn(Y, -pitch), gaze), rng)
    sculptor.joint("neck", neck.origin, "head", "body")
    tail_length = between(0.3, 0.45)
    tail = body.child((-0.02, 0, -0.1), turn(X, between(-25, 25)), turn(Y, between(-40, 40)))
    sculptor.limb("tail", tail, -tail_length, (0.06, 0.15, 0.1))
    sculptor.centre("tail", tail.at((0, 0, -tail_length * 0.65)))
    sculptor.joint("tail tip", tail.at((0, 0, -tail_length)), "tail")
    span, leg = between(0.26, 0.38), between(0.2, 0.3)
    for side, sign in SIDES:
        _wing(sculptor, side, sign, body.child((-0.05, sign * 0.16 * girth, length * 0.75)), span, rng)
        hip = body.child((0.06, sign * 0.1 * girth, length * 0.25), turn(Y, -pitch), turn(Y, between(-50, 50)),
                         turn(X, sign * between(0, 25)), turn(Y, between(-15, 15)))
        sculptor.limb(f"{side} leg", hip.child((0, 0, -0.12)), -leg, (0.08, 0.08, 0.08))
        sculptor.band(f"{side} leg", hip, -0.14 - leg / 2, (0.08, 0.08), 0.1)
        _foot(sculptor, f"{side} leg", hip.child((0, 0, -0.12 - leg)), 0.1)
        sculptor.centre(f"{side} leg", hip.at((0, 0, -0.14 - leg / 2)))
        sculptor.joint(f"{side} foot", hip.at((0.05, 0, -0.12 - leg)), f"{side} leg")
    return sculptor.figure()


def _bird_head(sculptor: Sculptor, head: Frame, rng: np.random.Generator) -> None:
    size, length = rng.uniform(0.9, 1.1), rng.uniform(0.16, 0.24)
    sculptor.ball("head", head, (0, 0, 0.08), (0.18 * size, 0.18 * size, 0.18 * size))
    middle = head.child((0, 0, 0.08))
    for _, sign in SIDES:
        sculptor.ball("head", middle, (0.09 * size, sign * 0.1 * size, 0.04 * size), (0.09 * size,) * 3, WHITE)
        sculptor.ball("head", middle, (0.14 * size, sign * 0.15 * size, 0.05 * size), (0.05 * size,) * 3, DARK)
    sculptor.centre("head", middle.origin)
    beak = middle.child((0.13 * size, 0, -0.03), turn(Y, 90))
    sculptor.limb("beak", beak, length, (0.07, 0.08, 0.07))
    sculptor.centre("beak", beak.at((0, 0, length * 0.65)))
    sculptor.joint("head top", middle.at((0, 0, 0.15 * size)), "head")
    sculptor.joint("beak tip", beak.at((0, 0, length)), "beak")


def _wing(sculptor: Sculptor, side: str, sign: float, shoulder: Frame, span: float, rng: np.random.Generator) -> None:
    between = rng.uniform
    # The wing runs along z of its own frame: out to the side, then flapped, swept and twisted.
    root = shoulder.child((0, 0, 0), turn(Z, sign * between(-45, 60)), turn(X, -sign * between(55, 150)),
                          turn(Z, between(-25, 25)))
    wrist = root.child((0, 0, span), turn(X, -sign * between(-50, 60)), turn(Y, between(-25, 25)))
    for name, frame, width in (("inner", root, 0.15), ("outer", wrist, 0.12)):
        sculptor.limb(f"{side} {name} wing", frame, span, (0.055, width, 0.1))
        sculptor.band(f"{side} {name} wing", frame, span * 0.55, (0.055, width), 0.1)
        sculptor.centre(f"{side} {name} wing", frame.at((0, 0, span * 0.55)))
    sculptor.joint(f"{side} shoulder", root.origin, "body", f"{side} inner wing")
    sculptor.joint(f"{side} wrist", wrist.origin, f"{side} inner wing", f"{side} outer wing")
    sculptor.joint(f"{side} wing tip", wrist.at((0, 0, span)), f"{side} outer wing")


FAMILIES: dict[str, Callable[[np.random.Generator], Figure]] = {"biped": biped, "quadruped": quadruped, "bird": bird}
