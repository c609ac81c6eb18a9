"""Shared by the published base models: a hub repository at a pinned commit, or a folder of the user."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.errors import UsageError
from harness.models.base import Diffusion, Model, Parts
from harness.models.loading import hub
from harness.models.loading.check import Expected, check_folder
from harness.models.loading.files import PLAIN, ZERO123PLUS, fingerprint, up_layers
from harness.models.pipelines.sides import multiple_of_folder
from harness.registry import knob


class Release(NamedTuple):
    """A model as published by its authors or maintainers."""

    repository: str
    revision: str
    expected: Expected
    zero123plus: bool = False


ZERO123PLUS_RELEASES = {  # version -> repository of the authors
    "v1.2": Release("sudo-ai/zero123plus-v1.2", "2da07e89919e1a130c9b5add1584c70c7aa065fd",
                    Expected("zero123plus", 1024, "v_prediction"), True),
    "v1.1": Release("sudo-ai/zero123plus-v1.1", "main", Expected("zero123plus", 1024, "v_prediction"), True),
}


@dataclass(frozen=True)
class Published(Model):
    """A diffusers folder, from the hub or from disk."""

    path: str = knob("", "diffusers folder, or hub repository owner/name; empty for the published one", path=True)
    revision: str = knob("", "commit, branch or tag on the hub; empty for the pinned commit, or main of another path")

    @property
    @abstractmethod
    def release(self) -> Release:
        """The model to open if ``path`` is empty, and the properties that every folder must have."""

    def build(self, parts: Parts, precision: str, device: str) -> Diffusion:
        """Return the model, built from its loaded parts: a plain text-to-image model unless overridden."""
        from harness.models.pipelines.diffusion import Diffusion

        return Diffusion(parts, precision, device)

    def open(self, precision: str, device: str) -> Diffusion:
        """Load the weights, the UNet in the precision's arithmetic; raise UsageError naming a missing or unfit part."""
        from harness.models.loading.folder import load_parts
        from harness.models.pipelines.diffusion import DTYPES

        release = self.release
        folder = Path(self.path)
        if self._repository:
            parts = ZERO123PLUS if release.zero123plus else PLAIN
            folder = hub.snapshot(self._repository, self._revision, parts, self._label)
        loaded = load_parts(folder, zero123plus=release.zero123plus, dtype=DTYPES[precision], expected=release.expected)
        return self.build(loaded, precision, device)

    def fingerprint(self) -> str:
        """Return the commit of a hub repository, or the hash of a folder's files."""
        if self._repository:
            return hub.commit(self._repository, self._revision, self._label)
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise UsageError(f"{self._label}: path {self.path!r} is no folder, and no hub "
                             "repository's name (owner/name)")
        return fingerprint(folder)

    def check_files(self) -> None:
        """Check the folder, if it is downloaded."""
        if self._folder.is_dir():
            check_folder(self._folder, self.release.zero123plus, self.release.expected)

    def up_layers(self) -> int | None:
        """Return the number of layers in the configuration, None if it is not downloaded yet."""
        return up_layers(self._folder)

    def side_multiple(self) -> int | None:
        """Return the multiple of the configuration, None if it is not downloaded yet."""
        return multiple_of_folder(self._folder)

    @property
    def _label(self) -> str:
        """The beginning of an error: the model, and that a path which may be a repository's name is no folder."""
        label = f"model {self.release.expected.name!r}"
        return f"{label}: there is no folder {self.path}; on the hub" if self.path and self._repository else label

    @property
    def _folder(self) -> Path:
        """The folder of the files, even before they are downloaded."""
        if self._repository:
            return hub.cached_folder(self._repository, self.fingerprint())
        return Path(self.path).expanduser()

    @property
    def _repository(self) -> str:
        if not self.path:
            return self.release.repository
        return self.path if hub.is_repository(self.path) else ""

    @property
    def _revision(self) -> str:
        return self.revision or (self.release.revision if not self.path else "main")
