"""Materials of glTF files: colours, textures with their transforms and samplers, and light that they send out.

Factors, vertices' colours and textures are multiplied as the numbers that stand in the file, as if all were sRGB: glTF
means factors and vertices' colours as linear, and the pictures here have never converted them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.rendering.gltf_file import Document, Node
from harness.data.rendering.images import Images
from harness.data.rendering.parts import Reading, refuse
from harness.data.rendering.raster import Floats
from harness.data.rendering.texture import Texture

WRAPS = {33071: "clamp", 33648: "mirror", 10497: "repeat"}
GLOSS, TRANSFORM = "KHR_materials_pbrSpecularGlossiness", "KHR_texture_transform"
STRENGTH = "KHR_materials_emissive_strength"


@dataclass(frozen=True)
class GltfMap:
    """A texture, the set of coordinates that it takes, and the matrix (2 x 3) that moves them (v downwards)."""

    texture: Texture
    coordinates: int
    matrix: Floats

    def at(self, uv: Floats) -> Floats:
        """Return coordinates with v upwards from the file's, whose v goes downwards."""
        place = uv @ self.matrix[:, :2].T + self.matrix[:, 2]
        return np.stack([place[..., 0], 1 - place[..., 1]], -1)


@dataclass(frozen=True)
class GltfMaterial:
    """What a picture needs of a material: colour and texture that are lit, and those that are added."""

    name: str
    colour: Floats
    base: GltfMap | None
    glow: Floats
    glow_map: GltfMap | None


class Materials:
    """The materials of a file, each read once; their images are read where a triangle needs them."""

    def __init__(self, document: Document, reading: Reading) -> None:
        self.document, self.reading = document, reading
        self._images, self._read = Images(), dict[int, GltfMaterial]()

    def __getitem__(self, index: int) -> GltfMaterial:
        """Return a material by its number."""
        if index not in self._read:
            self._read[index] = self._material(index, self.document.one("materials", index))
        return self._read[index]

    def _material(self, index: int, material: Node) -> GltfMaterial:
        name = repr(material.get("name", index))
        extensions = material.get("extensions", {})
        plain = material.get("pbrMetallicRoughness", {})
        colour, base = plain.get("baseColorFactor"), plain.get("baseColorTexture")
        if GLOSS in extensions:
            gloss = extensions[GLOSS]
            colour, base = gloss.get("diffuseFactor"), gloss.get("diffuseTexture")
        strength = extensions.get(STRENGTH, {}).get("emissiveStrength", 1.0)
        glow = np.array(material.get("emissiveFactor", [0.0] * 3), dtype=np.float64) * strength
        image, clear = self._map(base, name)
        # An emissive texture counts only where the factor, black unless the file says otherwise, lets it through.
        glow_map = self._map(material.get("emissiveTexture"), name)[0] if glow.any() else None
        colour = np.array([1.0] * 4 if colour is None else colour, dtype=np.float64)
        self._note_transparency(name, material, clear or bool(len(colour) > 3 and colour[3] < 1))
        return GltfMaterial(name, colour[:3].clip(0, 1), image, glow.clip(0, None), glow_map)

    def _note_transparency(self, name: str, material: Node, clear: bool) -> None:
        mode = material.get("alphaMode", "OPAQUE")
        if mode in ("MASK", "BLEND") and clear:
            self.reading.note(f"material {name} is transparent (alphaMode {mode}), drawn opaque")
        if material.get("extensions", {}).get("KHR_materials_transmission", {}).get("transmissionFactor"):
            self.reading.note(f"material {name} lets light through (KHR_materials_transmission), drawn opaque")

    def _map(self, info: Node | None, name: str) -> tuple[GltfMap | None, bool]:
        """Return the texture that a material names, and whether any of it is not opaque."""
        if info is None:
            return None, False
        texture = self.document.one("textures", info["index"])
        blob, what = self._image(texture, info["index"], name)
        levels = self._images.levels(blob, what)
        sampler: Node = self.document.one("samplers", texture["sampler"]) if "sampler" in texture else {}
        wraps = tuple(WRAPS.get(sampler.get(key, 10497), "repeat") for key in ("wrapS", "wrapT"))
        transform = info.get("extensions", {}).get(TRANSFORM, {})
        coordinates = transform.get("texCoord", info.get("texCoord", 0))
        image = Texture(levels, (wraps[0], wraps[1]), sampler.get("magFilter") == 9728)
        return GltfMap(image, coordinates, _matrix(transform)), self._images.see_through(blob)

    def _image(self, texture: Node, number: int, name: str) -> tuple[bytes, str]:
        """Return an image's bytes and what to call it."""
        extensions = texture.get("extensions", {})
        source = extensions.get("EXT_texture_webp", {}).get("source", texture.get("source"))
        if source is None:
            if not extensions:
                refuse(f"texture {number} of material {name} has no image")
            kinds = ", ".join(extensions)
            refuse(f"texture {number} of material {name} is there only in {kinds}, which is not supported")
        image = self.document.one("images", source)
        label = f"{image['name']!r}" if "name" in image else f"(image {source})"
        uri = str(image.get("uri", "data:"))
        what = f"its texture {label if uri.startswith('data:') else uri} of material {name}"
        if image.get("mimeType") == "image/ktx2":
            refuse(f"{what} is KTX2 (KHR_texture_basisu), which is not supported")
        if "bufferView" in image:
            return self.document.view(int(image["bufferView"]))[0], what
        if "uri" not in image:
            refuse(f"{what} has neither a file nor bytes")
        return self.document.bytes_at(image["uri"], f"material {name}: its texture"), what


def _matrix(transform: dict[str, Any]) -> Floats:
    """Return a texture transform's matrix: scaled, turned, then moved."""
    turn = transform.get("rotation", 0.0)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    linear = rotation @ np.diag(transform.get("scale", [1.0, 1.0]))
    return np.concatenate([linear, np.reshape(transform.get("offset", [0.0, 0.0]), (2, 1))], 1)
