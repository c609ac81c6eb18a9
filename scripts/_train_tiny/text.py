"""Captions, their tokens, and a CLIP tokenizer whose vocabulary has one token for each word of a caption."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

TOKENS = 77
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def _alphabet() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def make_tokenizer(words: Iterable[str], folder: Path) -> CLIPTokenizer:
    """Write vocab.json and merges.txt that join each of ``words`` to one token, and return the tokenizer they make."""
    trainer = trainers.BpeTrainer(vocab_size=100_000, min_frequency=1, end_of_word_suffix=WORD_END, show_progress=False)
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(sorted(set(words)), trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    alphabet = _alphabet()
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet), *("".join(pair) for pair in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(dict.fromkeys(tokens))}), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=TOKENS)


class Captions:
    """Turn what a picture shows into token ids (77) and the tokens of each phrase (77 P)."""

    def __init__(self, vocabulary: dict[str, int], colours: Sequence[str]) -> None:
        """Keep the token of each word and the words that name colours."""
        self.vocabulary, self.colours = vocabulary, frozenset(colours)

    def words(self, family: str, phrases: Sequence[str], order: Sequence[int], coloured: bool) -> list[tuple[str, int]]:
        """Return the words of "a biped with a red head, a blue body, ..." with the phrase each belongs to, or -1."""
        words = [("a", -1), (family, -1), ("with", -1)]
        for place, part in enumerate(order):
            phrase = [w for w in phrases[part].split() if coloured or w not in self.colours]
            comma = [(",", -1)] if place else []
            article = "an" if phrase[0][0] in "aeiou" else "a"
            words += [*comma, (article, -1), *((w, part) for w in phrase)]
        return words

    def encode(self, words: Sequence[tuple[str, int]], phrases: int) -> tuple[Tensor, Tensor]:
        """Return ids (77), padded with the end token as Stable Diffusion pads, and phrase membership (77 P)."""
        ids = torch.full((TOKENS,), self.vocabulary[END])
        ids[0] = self.vocabulary[START]
        member = torch.zeros(TOKENS, phrases)
        for place, (word, part) in enumerate(words[: TOKENS - 2], start=1):
            ids[place] = self.vocabulary[word + WORD_END]
            if part >= 0:
                member[place, part] = 1
        return ids, member

    def colourless(self, families: Sequence[str], phrases: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Return ids (b 77) and membership (b 77 P) of captions that name every part and no colour."""
        pairs = [self.encode(self.words(family, parts, range(len(parts)), coloured=False), len(parts))
                 for family, parts in zip(families, phrases, strict=True)]
        ids, member = zip(*pairs, strict=True)
        return torch.stack(ids), torch.stack(member)

    def draw(self, family: str, phrases: Sequence[str], colourless: float, draws: torch.Generator
             ) -> tuple[Tensor, Tensor]:
        """Return ids and membership of a random caption."""
        return self.encode(self.draw_words(family, phrases, colourless, draws), len(phrases))

    def draw_words(self, family: str, phrases: Sequence[str], colourless: float, draws: torch.Generator
                   ) -> list[tuple[str, int]]:
        """Return a random caption: some name no colour, half shuffle the parts, a third leave some out.

        Without colours the picture alone tells which pixels are the left upper arm; without a fixed order or number the
        place in the caption does not. A tenth is empty, for guidance.
        """
        chances = torch.tensor([0.1, colourless, 0.5, 0.33])
        empty, plain, shuffled, fewer = (torch.rand(4, generator=draws) < chances).tolist()
        count = len(phrases)
        if empty:
            return []
        order = torch.randperm(count, generator=draws).tolist()
        if fewer:
            order = order[: int(torch.randint(3, count, (), generator=draws))]
        if not shuffled:
            order = sorted(order)
        return self.words(family, phrases, order, not plain)
