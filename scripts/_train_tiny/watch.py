"""Watch a painter learn: errors on scenes it has not seen, what the photograph is worth, its guess, its attention."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from _train_tiny.measure import psnr_db
from _train_tiny.tiny_sd import HeldOut
from _train_tiny.zero123plus import Canvases, Painter, to_views, unscale_latents

ERRORS_AT, WORTH_AT = (200, 500, 600, 800), (600, 800)
BATCH = 8
FIRST = 999


@dataclass(frozen=True)
class Watch:
    """Held-out scenes with their true views (n 6 3 64 64), the mean training canvas (6 3 64 64), and single views."""

    data: Canvases
    truth: Tensor
    mean: Tensor
    vae: AutoencoderKL
    single: HeldOut

    @torch.no_grad()
    def measure(self, painter: Painter) -> dict[str, float]:
        """Return errors by timestep, the shares by which another's photograph raises them, the guess in dB, and PCK.

        `guess_db` is how far the clean estimate from pure noise lies above the mean canvas.
        """
        states = painter.text(painter.empty[None]).last_hidden_state + painter.ramp * painter.embed(
            self.data.pixels)[:, None]
        own = torch.arange(len(self.data))
        errors = {t: self._error(painter, states, own, t) for t in ERRORS_AT}
        worth = {t: self._error(painter, states, own.roll(1), t) / errors[t] - 1 for t in WORTH_AT}
        guess = psnr_db(self._guess(painter, states), self.truth)
        found = self.single.measure(painter.unet, painter.text, painter.captions, painter.kept, painter.noising)
        return {**{f"error@{t}": round(error, 5) for t, error in errors.items()},
                **{f"worth@{t}": round(share, 4) for t, share in worth.items()},
                "guess_db": round(guess - psnr_db(self.mean.expand_as(self.truth), self.truth), 3), **found}

    def _error(self, painter: Painter, states: Tensor, seen: Tensor, timestep: int) -> float:
        """Return the mean squared error of the velocity where scene i has the photograph of scene ``seen[i]``."""
        draws = torch.Generator().manual_seed(18)
        squared = []
        for rows in torch.arange(len(self.data)).split(BATCH):
            timesteps = torch.full((len(rows),), timestep)
            clean = self.data.latents[rows].float()
            noise = torch.randn(clean.shape, generator=draws)
            beside = self._beside(painter, seen[rows], timesteps, draws)
            predicted = painter.predict(painter.noising.add_noise(clean, noise, timesteps), states[seen[rows]],
                                        timesteps, beside)
            squared.append((predicted - painter.noising.get_velocity(clean, noise, timesteps)).square().mean())
        return float(torch.stack(squared).mean())

    def _beside(self, painter: Painter, seen: Tensor, timesteps: Tensor, draws: torch.Generator) -> Tensor:
        conditions = self.data.conditions[seen].float()
        noise = torch.randn(conditions.shape, generator=draws)
        noisy: Tensor = painter.noising.add_noise(conditions, noise, timesteps)
        return noisy

    def _guess(self, painter: Painter, states: Tensor) -> Tensor:
        """Return the views (n 6 3 64 64) in [0, 1] that the painter expects when it sees but the photograph."""
        draws = torch.Generator().manual_seed(19)
        alpha = painter.noising.alphas_cumprod[FIRST]
        factor, made = self.vae.config.scaling_factor, []
        for rows in torch.arange(len(self.data)).split(BATCH):
            timesteps = torch.full((len(rows),), FIRST)
            noisy = torch.randn(self.data.latents[rows].shape, generator=draws)
            velocity = painter.predict(noisy, states[rows], timesteps, self._beside(painter, rows, timesteps, draws))
            clean = alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity
            decoded = self.vae.decode(unscale_latents(clean) / factor).sample
            made.append(to_views((decoded * 0.8 + 0.5).clamp(0, 1)))
        return torch.cat(made)
