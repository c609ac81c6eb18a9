"""Materials of OBJ files, read from MTL files as they say and not as a library guesses."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.data.rendering.images import Images, beside, content, decoded
from harness.data.rendering.parts import Reading, refuse
from harness.data.rendering.raster import Floats
from harness.data.rendering.texture import Texture

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NUMBERS = {"-o": 3, "-s": 3, "-t": 3, "-mm": 2, "-texres": 1, "-boost": 1, "-bm": 1}  # option: at most so many numbers
WORDS = ("-blendu", "-blendv", "-cc", "-clamp", "-imfchan", "-type")
# Options that change the picture unless they have one of these arguments.
NEUTRAL = {"-cc": ("off",), "-imfchan": ("rgb",), "-t": ("0", "0 0", "0 0 0"), "-mm": ("0", "0 1")}


@dataclass(frozen=True)
class MtlMap:
    """A texture that a material names, and its coordinates' scale and offset."""

    texture: Texture
    scale: Floats
    offset: Floats

    def at(self, uv: Floats) -> Floats:
        """Return coordinates after the map's scale and offset."""
        return np.asarray(uv * self.scale + self.offset)


@dataclass(frozen=True)
class MtlMaterial:
    """An MTL file's material: its statements by their keys in small letters, and the folder that it lies in."""

    name: str
    folder: Path
    statements: dict[str, str] = field(default_factory=dict)

    def colour(self, key: str) -> Floats | None:
        """Return the colour that a statement gives, None without one."""
        words = self.statements.get(key, "").split("#")[0].split()
        if not words:
            return None
        if words[0].lower() in ("spectral", "xyz"):
            refuse(f"{key.capitalize()} {words[0]} of material {self.name!r} is not supported, only r g b")
        try:
            values = [float(word) for word in words[:3]]
        except ValueError:
            refuse(f"{key.capitalize()} of material {self.name!r} is {' '.join(words)!r}, expected r g b")
        return np.array(values if len(values) == 3 else values[:1] * 3).clip(0, 1)

    def map(self, key: str, images: Images) -> MtlMap | None:
        """Return the texture that a statement names, None without one."""
        value = self.statements.get(key, "")
        if not value:
            return None
        what = f"of material {self.name!r}"
        path, options = _file(self.folder, value, what)
        for option, neutral in NEUTRAL.items():
            if options.get(option, neutral[0]).lower() not in neutral:
                refuse(f"the option {option} {options[option]} of texture {path.name} {what} is not supported")
        levels = images.levels(content(path, f"texture {what}:"), f"its texture {path} {what}")
        wrap = "clamp" if options.get("-clamp", "off").lower() == "on" else "repeat"
        scale, offset = _pair(options.get("-s", "1 1"), 1.0), _pair(options.get("-o", "0 0"), 0.0)
        return MtlMap(Texture(levels, (wrap, wrap)), scale, offset)


def _pair(numbers: str, missing: float) -> Floats:
    """Return u and v of an option that may leave out v."""
    values = [float(number) for number in numbers.split()]
    return np.array([*values, missing][:2])


def _file(folder: Path, value: str, what: str) -> tuple[Path, dict[str, str]]:
    """Return a map statement's image and options; raise Defect naming the image where it is not there."""
    whole = _first(folder, value)
    if whole is not None:
        return whole, {}
    name, options = _options(value, what)
    path = _first(folder, name)
    if path is None:
        refuse(f"its texture {folder / _bare(name)} is missing, named by {what.removeprefix('of ')}")
    return path, options


def _options(value: str, what: str) -> tuple[str, dict[str, str]]:
    """Return what follows a map statement's options, and the options with their arguments."""
    options: dict[str, str] = {}
    while value.startswith("-"):
        option, _, rest = value.partition(" ")
        option = option.lower()
        rest = rest.lstrip()
        if option in NUMBERS:
            match = re.match(rf"(?:{NUMBER}(?:\s+|$)){{1,{NUMBERS[option]}}}", rest)
        elif option in WORDS:
            match = re.match(r"\S+\s*", rest)
        else:
            refuse(f"the option {option} of a texture {what} is not supported")
        if match is None:
            refuse(f"the option {option} of a texture {what} has no argument")
        argument, value = match.group().strip(), rest[match.end():]
        options[option] = " ".join(f"{float(one):g}" for one in argument.split()) if option in NUMBERS else argument
    if not value:
        refuse(f"a texture {what} has options and no file name")
    return value, options


def _first(folder: Path, value: str) -> Path | None:
    """Return the file that a statement's rest names: with all of it, without a comment, without quotes."""
    for name in (value, _bare(value)):
        path = beside(folder, name)
        if path is not None:
            return path
    return None


def _bare(value: str) -> str:
    return re.sub(r"\s+#.*$", "", value).strip().strip('"')


def materials_of(folder: Path, libraries: list[str]) -> dict[str, MtlMaterial]:
    """Return the materials of the files that an OBJ file's mtllib statements name; the first of a name counts."""
    materials: dict[str, MtlMaterial] = {}
    for path in _files(folder, libraries):
        current: MtlMaterial | None = None
        for key, value in statements(decoded(content(path, "its material file"))):
            if key == "newmtl":
                current = MtlMaterial(value, path.parent)
                materials.setdefault(value, current)
                materials.setdefault(value.split("#")[0].strip(), current)
            elif current is not None:
                current.statements[key] = value
    return materials


def _files(folder: Path, libraries: list[str]) -> list[Path]:
    """Return the files that mtllib statements name; a statement is one name with spaces or several names."""
    files: list[Path] = []
    for value in libraries:
        whole = _first(folder, value)
        words = [] if whole is not None else _bare(value).split()
        files += [whole] if whole is not None else []
        while words:
            for count in range(len(words), 0, -1):
                path = beside(folder, " ".join(words[:count]))
                if path is not None:
                    files.append(path)
                    words = words[count:]
                    break
            else:
                name = words[0] if all("." in word for word in words) else " ".join(words)
                refuse(f"its material file {folder / name} is missing")
    return list(dict.fromkeys(files))


def statements(text: str) -> list[tuple[str, str]]:
    """Return a text's statements: the key in small letters and the rest, without blanks around."""
    pairs = []
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        key, *rest = line.split(None, 1)[:2] or [""]
        if key and not key.startswith("#"):
            pairs.append((key.lower(), rest[0].strip() if rest else ""))
    return pairs


def note_transparency(material: MtlMaterial, reading: Reading) -> None:
    """Note that a transparent material is drawn opaque."""
    for key, solid in (("d", 1.0), ("Tr", 0.0)):
        words = material.statements.get(key.lower(), "").split()
        numbers = [float(word) for word in words if re.fullmatch(NUMBER, word)]
        if numbers and numbers[-1] != solid:
            reading.note(f"material {material.name!r} is transparent ({key} {numbers[-1]:g}), drawn opaque")
    if "map_d" in material.statements:
        reading.note(f"material {material.name!r} has a map of transparency (map_d), drawn opaque")
