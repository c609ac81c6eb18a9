"""The differences between Zero123++ and its UNet in a plain pipeline, as knobs; imports no PyTorch."""

from dataclasses import dataclass

from harness.registry import knob


@dataclass(frozen=True)
class Switches:
    """The differences between Zero123++ and its UNet in a plain pipeline; each can be switched off alone."""

    scaling: bool = knob(True, "scale images by 0.5 / 0.8 and shift latents, as the UNet was trained on")
    embedding: bool = knob(True, "add the condition's ramped global embedding to the text")
    reference: str = knob("views", "which passes attend to the condition image: none, the view pass, or both",
                          choices=("none", "views", "both"))

    @property
    def needs_condition(self) -> bool:
        """True if any switch uses the condition image."""
        return self.embedding or self.reference != "none"

    def keypoints_need_condition(self, concat: bool) -> bool:
        """Return True if the keypoint pass uses the condition image, by reference or by the text's embedding."""
        return self.reference == "both" or (concat and self.embedding)

    def reads_condition(self, which: str) -> bool:
        """Return True if the UNet also runs on the condition image in a pass, "keypoint" or "view"."""
        return self.reference == "both" or (self.reference == "views" and which == "view")

    @property
    def needs_canvas(self) -> bool:
        """True: Zero123++ always generates a canvas."""
        return True
