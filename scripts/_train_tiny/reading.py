"""Teach the text encoder to read before it meets pictures: to hold, at each word, what its phrase has said so far.

Without this, "left arm" and "right arm" come out of a fresh encoder all but equal (cosine 0.99); then telling them
apart in the picture earns nothing, and neither side of the model ever starts.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import CLIPTextModel

from _train_tiny.loop import Training
from _train_tiny.text import WORD_END, Captions

BATCH = 32
EMBEDDING_STD = 0.3


def spread_embeddings(text: CLIPTextModel) -> None:
    """Draw token and position embeddings larger than CLIP's 0.02, so that words differ from the start."""
    draws = torch.Generator().manual_seed(13)
    for name, parameter in text.named_parameters():
        if "embedding" in name:
            parameter.data = torch.randn(parameter.shape, generator=draws) * EMBEDDING_STD


def read_so_far(words: Sequence[tuple[str, int]], family: str, columns: dict[str, int], places: int
                ) -> tuple[Tensor, Tensor]:
    """Return, per token, the words of its phrase up to it and the family (places W), and which tokens count."""
    target, counted = torch.zeros(places, len(columns)), torch.zeros(places, dtype=torch.bool)
    seen: list[str] = []
    before = -1
    for place, (word, part) in enumerate(words[: places - 2], start=1):
        seen = [*seen, word] if part == before else [word]
        before = part
        if part >= 0:
            target[place, [columns[w] for w in (*seen, family)]] = 1
            counted[place] = True
    return target, counted


def train(folder: Path, text: CLIPTextModel, captions: Captions, said: Sequence[tuple[str, Sequence[str]]],
          minutes: float) -> None:
    """Train ``text`` in place for ``minutes`` on random captions of (family, phrases) pairs."""
    words = sorted({w for family, phrases in said for p in phrases for w in (family, *p.split())})
    columns = {word: i for i, word in enumerate(words)}
    assert all(word + WORD_END in captions.vocabulary for word in words)
    spread_embeddings(text)
    torch.manual_seed(14)
    head = nn.Linear(text.config.hidden_size, len(words))
    run = Training(folder, "reading", {"text": text, "head": head}, minutes=minutes, lr=2e-3, average=0.98)
    draws = torch.Generator().manual_seed(15 + run.step)
    while not run.done:
        rows = []
        for i in torch.randint(len(said), (BATCH,), generator=draws).tolist():
            family, phrases = said[i]
            drawn = captions.draw_words(family, phrases, 0.5, draws)
            ids, _ = captions.encode(drawn, len(phrases))
            rows.append((ids, *read_so_far(drawn, family, columns, len(ids))))
        ids, target, counted = (torch.stack(x) for x in zip(*rows, strict=True))
        logits = head(text(ids).last_hidden_state)[counted]
        loss = binary_cross_entropy_with_logits(logits, target[counted])
        right = ((logits > 0) == (target[counted] > 0)).all(-1).float().mean()
        run.update(loss, right=right.item())
        if run.step % 20 == 0:
            run.log()
        if run.step % 200 == 0:
            run.save()
    run.save()
    run.swap()
    run.log()
