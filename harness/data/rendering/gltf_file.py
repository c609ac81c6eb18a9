"""glTF 2.0 files, text and binary: the JSON, the buffers beside it, and numbers out of them."""

import base64
import json
import re
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.images import beside, content
from harness.data.rendering.parts import refuse

Node = dict[str, Any]  # an object of the JSON
Numbers = NDArray[Any]
COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
SHAPES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
# Extensions that a file may require: read here, or about highlights, lamps and names, which no picture here has.
# KHR_materials_unlit is lit like every other material, so that all meshes look alike.
HANDLED = {"KHR_texture_transform", "KHR_mesh_quantization", "KHR_materials_emissive_strength", "EXT_texture_webp",
           "KHR_materials_pbrSpecularGlossiness", "KHR_materials_unlit", "KHR_materials_clearcoat",
           "KHR_materials_ior", "KHR_materials_specular", "KHR_materials_sheen", "KHR_materials_anisotropy",
           "KHR_materials_iridescence", "KHR_materials_dispersion", "KHR_materials_volume",
           "KHR_materials_transmission", "KHR_materials_variants", "KHR_lights_punctual", "KHR_node_visibility",
           "KHR_xmp_json_ld"}


class Document:
    """A glTF file's JSON with the buffers that it names."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        blob = path.read_bytes()
        self.binary: bytes | None = None
        if path.suffix.lower() == ".glb" or blob[:4] == b"glTF":
            blob, self.binary = _chunks(blob)
        try:
            self.json: Node = json.loads(blob.decode("utf-8-sig"))
            version = str(self.json.get("asset", {}).get("version", "2.0"))
        except (ValueError, AttributeError, RecursionError) as error:
            refuse(f"cannot be read: {error}")
        if not version.startswith("2"):
            refuse(f"is glTF {version}, only glTF 2 is supported")
        for extension in self.json.get("extensionsRequired", []):
            if extension not in HANDLED:
                refuse(f"requires the extension {extension}, which is not supported")
        self._buffers: dict[int, bytes] = {}

    def all(self, kind: str) -> list[Node]:
        """Return the file's objects of a kind, such as ``meshes``."""
        return list(self.json.get(kind, []))

    def one(self, kind: str, index: int) -> Node:
        """Return one object of a kind; raise Defect where there are not so many."""
        objects = self.all(kind)
        if not 0 <= index < len(objects):
            refuse(f"cannot be read: names number {index} of {len(objects)} {kind}")
        return objects[index]

    def bytes_at(self, uri: str, what: str) -> bytes:
        """Return what a URI holds or names."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            return base64.b64decode(unquote(body)) if head.endswith(";base64") else unquote_to_bytes(body)
        if re.match(r"[a-z]{2,}://", uri):
            refuse(f"{what} {uri} lies on the net; download it and name it beside the mesh")
        path = beside(self.folder, unquote(uri)) or beside(self.folder, uri)
        if path is None:
            refuse(f"{what} {self.folder / unquote(uri)} is missing")
        return content(path, what)

    def view(self, index: int) -> tuple[bytes, int]:
        """Return a buffer view's bytes and its stride, 0 without one."""
        view = self.one("bufferViews", index)
        for extension in view.get("extensions", {}):
            if extension.endswith("_meshopt_compression") and "fallback" in self._sort(view["buffer"]):
                refuse(f"is compressed with the extension {extension}, which is not supported")
        start, length = view.get("byteOffset", 0), view["byteLength"]
        blob = self._buffer(view["buffer"])[start:start + length]
        if len(blob) < length:
            refuse(f"cannot be read: its buffer {view['buffer']} ends early")
        return blob, view.get("byteStride", 0)

    def _sort(self, index: int) -> str:
        buffer = self.one("buffers", index)
        alone = "uri" not in buffer and (index > 0 or self.binary is None)
        return "fallback without bytes" if alone else "bytes"

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            buffer = self.one("buffers", index)
            if "uri" in buffer:
                self._buffers[index] = self.bytes_at(buffer["uri"], "its buffer")
            elif index == 0 and self.binary is not None:
                self._buffers[index] = self.binary
            else:
                refuse(f"cannot be read: its buffer {index} has neither a file nor bytes")
        return self._buffers[index]

    def numbers(self, index: int) -> Numbers:
        """Return an accessor's rows (N, or N and its components); whole numbers that stand for fractions as such."""
        accessor = self.one("accessors", index)
        count, width = accessor["count"], SHAPES[accessor["type"]]
        kind = np.dtype(COMPONENTS[accessor["componentType"]])
        if "bufferView" in accessor:
            rows = self._rows(accessor["bufferView"], accessor.get("byteOffset", 0), count, width, kind)
        else:
            rows = np.zeros((count, width), kind)
        if "sparse" in accessor:
            rows = self._patched(rows, accessor["sparse"], kind)
        if accessor.get("normalized") and kind.kind in "iu":
            rows = np.maximum(rows / float(np.iinfo(kind).max), -1)
        return rows[:, 0] if width == 1 else rows

    def _rows(self, view: int, offset: int, count: int, width: int, kind: "np.dtype[Any]") -> Numbers:
        blob, stride = self.view(view)
        size = width * kind.itemsize
        if count and offset + (count - 1) * (stride or size) + size > len(blob):
            refuse(f"cannot be read: bufferView {view} holds fewer than {count} rows")
        return np.ndarray((count, width), kind, blob, offset, (stride or size, kind.itemsize)).copy()

    def _patched(self, rows: Numbers, sparse: Node, kind: "np.dtype[Any]") -> Numbers:
        """Return rows with those replaced that a sparse accessor lists."""
        where, values, count = sparse["indices"], sparse["values"], sparse["count"]
        index = np.dtype(COMPONENTS[where["componentType"]])
        places = self._rows(where["bufferView"], where.get("byteOffset", 0), count, 1, index)[:, 0]
        rows[places] = self._rows(values["bufferView"], values.get("byteOffset", 0), count, rows.shape[1], kind)
        return rows


def _chunks(blob: bytes) -> tuple[bytes, bytes | None]:
    """Return a binary file's JSON and its buffer."""
    if blob[:4] != b"glTF" or len(blob) < 20:
        refuse("cannot be read: not a binary glTF file")
    version, length = struct.unpack("<II", blob[4:12])
    if version != 2:
        refuse(f"is glTF {version}, only glTF 2 is supported")
    if length > len(blob):
        refuse(f"cannot be read: it has {len(blob)} bytes of {length}")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack("<I4s", blob[at:at + 8])
        chunks.setdefault(kind, blob[at + 8:at + 8 + size])
        at += 8 + size
    if b"JSON" not in chunks:
        refuse("cannot be read: a binary glTF file without JSON")
    return chunks[b"JSON"], chunks.get(b"BIN\0")
