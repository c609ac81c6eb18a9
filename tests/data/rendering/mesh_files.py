"""A square that faces z as a file of any format, and the colours that its picture shows in its four quarters."""

import io
import json
import struct

import numpy as np
from PIL import Image

from harness.data.rendering.meshes import apply_placement, load_mesh, placement
from harness.data.rendering.raster import render
from harness.ops.geometry import zero123plus_cameras

FRONT = zero123plus_cameras(-90.0).matrices[1].double().numpy()  # from the front, 10 degrees below
PLACES = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)  # v upwards
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.uint16)
QUARTERS = ((20, 20), (20, 44), (44, 20), (44, 44))  # rows and columns of a picture of 64: above, then below
LETTERS = {"R": (1, 0, 0), "G": (0, 1, 0), "B": (0, 0, 1), "W": (1, 1, 1), "K": (0, 0, 0)}
OBJ = "".join(f"v {x} {y} {z}\n" for x, y, z in PLACES) + "".join(f"vt {u} {v}\n" for u, v in UV)


def image():
    """A texture that is red and green above, blue and white below."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    colours = {letter: np.array(rgb) * 255 for letter, rgb in LETTERS.items()}
    pixels[:32, :32], pixels[:32, 32:] = colours["R"], colours["G"]
    pixels[32:, :32], pixels[32:, 32:] = colours["B"], colours["W"]
    return Image.fromarray(pixels)


def png(picture=None):
    """The bytes of a PNG."""
    stream = io.BytesIO()
    (picture or image()).save(stream, "PNG")
    return stream.getvalue()


def grey16(value):
    """A PNG of 16 bits whose grey is everywhere the same."""
    return png(Image.fromarray(np.full((4, 4), round(value * 65535), np.uint16)))


def picture(path):
    """A mesh file's picture (64 64 4) from the front, and what is said about it."""
    mesh = load_mesh(path)
    return render(apply_placement(mesh, *placement(mesh.corners, "sphere", "y")), FRONT, 64).rgba, mesh.notes


def quarters(path):
    """The colours (4 3) in [0, 1] of the picture's quarters without the light on them."""
    shown = picture(path)[0]
    light = 0.5 + 0.25 * 0.3 + 0.25 * np.cos(np.radians(10))  # a square that faces z is lit evenly, nearly
    assert all(shown[place][3] == 255 for place in QUARTERS)
    return np.array([shown[place][:3] / 255 / light for place in QUARTERS])


def letters(path):
    """The quarters' colours as letters, ``?`` for one that is none of them."""
    colours = quarters(path)
    return "".join(next((letter for letter, rgb in LETTERS.items() if np.allclose(colour, rgb, atol=0.06)), "?")
                   for colour in colours)


class Gltf:
    """A glTF file of one square; what is handed over replaces or adds to its JSON."""

    def __init__(self, material=None, attributes=None, picture_bytes=None, primitive=None, **top):
        self.blob, self.views, self.accessors = b"", [], []
        flipped = np.stack([UV[:, 0], 1 - UV[:, 1]], -1)
        arrays = {"POSITION": PLACES, "TEXCOORD_0": flipped, **(attributes or {})}
        used = {name: values if isinstance(values, int) else self.add(values)
                for name, values in arrays.items() if values is not None}
        one = {"attributes": used, "indices": self.add(FACES.ravel()), "material": 0, **(primitive or {})}
        self.json = {"asset": {"version": "2.0"}, "meshes": [{"primitives": [one]}], "nodes": [{"mesh": 0}],
                     "scenes": [{"nodes": [0]}], "materials": [material or {}], "accessors": self.accessors,
                     "bufferViews": self.views,
                     "images": [{"bufferView": self.view(picture_bytes or png()), "mimeType": "image/png"}],
                     "textures": [{"source": 0}]}
        self.json.update(top)

    def view(self, content):
        self.blob += b"\0" * (-len(self.blob) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(content)})
        self.blob += content
        return len(self.views) - 1

    def add(self, values, **more):
        """Add an array as an accessor and return its number."""
        kinds = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
        shape = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}[values.shape[1:]]
        self.accessors.append({"bufferView": self.view(values.tobytes()), "count": len(values), "type": shape,
                               "componentType": kinds[values.dtype.str[1:]], **more})
        return len(self.accessors) - 1

    def save(self, path):
        """Write the file, binary or with its buffer beside it."""
        self.json["buffers"] = self.json.get("buffers") or [{"byteLength": len(self.blob)}]
        if path.suffix == ".gltf":
            path.write_text(json.dumps(self.json))
            return path
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        body = self.blob + b"\0" * (-len(self.blob) % 4)
        total = 12 + 8 + len(text) + 8 + len(body)
        path.write_bytes(struct.pack("<4sIII4s", b"glTF", 2, total, len(text), b"JSON") + text
                         + struct.pack("<I4s", len(body), b"BIN\0") + body)
        return path


def textured(**more):
    """A glTF material with the texture; what is handed over goes into its reference to it."""
    return {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **more}}}
