"""The search for nonsense of `fashion_api.training.synthetic.nonsense`, on the device, many climbs at once."""

import math

import numpy as np
import torch
from torch import Tensor

from fashion_api.training.synthetic import nonsense
from scripts.gpu.networks import CLASSES, Residual
from scripts.gpu.stock import answer

# As in the module that is followed.
_BLACK, _PRESENT, _ROUND, _THIN, _UPRIGHT, _SMOOTH = 0.7, 0.6, 0.4, 0.8, 0.5, 0.4
_FIRST, _CHILDREN = 200, 20  # pictures that a climb begins with; of one generation
_PROBABILITY = 0.9
_LEAST = 1e-9
_CHANGED, _STEP, _REDRAWN = 0.15, 0.2, 0.3  # of the genes; standard deviation; of the changes are to any value
_NOISE = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
_KEPT_EVERY, _KEPT_STEP = 6, 4  # one of so many generations, and one of so many of its images, is kept for training
_NEAR, _NEAREST = -1.0, -3.0  # logarithms, from 0 down, of how near to being accepted what is kept has to be


def render(genomes: Tensor) -> Tensor:
    """Draw float[n, genes] as uint8[n, 28, 28]."""
    line = (torch.arange(28, device=genomes.device).float() + 0.5) / 28
    rows, columns = line[:, None], line[None, :]
    noise = torch.from_numpy(np.resize(_NOISE, (28, 28))).to(genomes.device)
    pictures = (genomes[:, -1, None, None] * 200).expand(len(genomes), 28, 28)
    for number in range(nonsense.SHAPES):
        genes = genomes[:, number * nonsense.SHAPE_GENES : (number + 1) * nonsense.SHAPE_GENES, None, None]
        present, kind, y, x, tall, wide, angle, grey, texture = genes.unbind(1)
        turn = (angle - _UPRIGHT).clamp_min(0) * 2 * math.pi
        v = (rows - y) * turn.cos() - (columns - x) * turn.sin()
        u = (rows - y) * turn.sin() + (columns - x) * turn.cos()
        tall = torch.where(kind > _THIN, 0.015 + 0.05 * tall, 0.02 + 0.5 * tall)
        wide = 0.02 + 0.5 * wide
        box = torch.maximum(v.abs() - tall, u.abs() - wide)
        ellipse = (((v / tall) ** 2 + (u / wide) ** 2).sqrt() - 1) * torch.minimum(tall, wide)
        distance = torch.where((kind > _ROUND) & (kind <= _THIN), ellipse, box)
        mask = (0.5 - distance * 28).clamp(0, 1)
        mask = mask if number == 0 else mask * (present < _PRESENT)
        roughness = (texture - _SMOOTH).clamp_min(0) * 100
        pictures = pictures * (1 - mask) + mask * (grey * 255 + roughness * noise).clamp(0, 255)
    return pictures.round().clamp(0, 255).to(torch.uint8)


def mutate(genomes: Tensor, rng: torch.Generator) -> Tensor:
    """Change some genes of each, at least one."""

    def draw() -> Tensor:
        return torch.rand(genomes.shape, generator=rng, device=genomes.device)

    changed = draw() < _CHANGED
    one = torch.randint(0, genomes.shape[1], (len(genomes), 1), generator=rng, device=genomes.device)
    changed.scatter_(1, one, value=True)
    steps = torch.randn(genomes.shape, generator=rng, device=genomes.device)
    moved = (genomes + _STEP * steps).clamp(0, 1)
    return torch.where(changed, torch.where(draw() < _REDRAWN, draw(), moved), genomes)


class Search:
    """Climbs towards every class, several times each, at one network."""

    def __init__(self, network: Residual, thresholds: Tensor, *, climbs: int, seed: int) -> None:
        """Take the novelty thresholds, float[10], of the classes."""
        self.network, self.thresholds, self.climbs = network, thresholds, climbs
        self.rng = torch.Generator(device=thresholds.device).manual_seed(seed)
        self.wanted = torch.arange(CLASSES, device=thresholds.device).repeat_interleave(climbs)
        self.found: list[Tensor] = []
        """Images that are nearly accepted, uint8[n, 28, 28] each."""

    def run(self, queries: int) -> Tensor:
        """Search with so many queries a climb, and give which climbs reach accepted nonsense: bool[10, climbs]."""
        climbs, device = len(self.wanted), self.thresholds.device
        genomes = torch.rand((climbs * _FIRST, nonsense.GENES), generator=self.rng, device=device)
        genomes[torch.rand(len(genomes), generator=self.rng, device=device) < _BLACK, -1] = 0
        best, reached = self._choose(genomes, *self._rate(genomes))
        for generation in range((queries - _FIRST) // _CHILDREN):
            children = mutate(best.repeat_interleave(_CHILDREN, 0), self.rng)
            scores, nearness, images = self._rate(children)
            if generation % _KEPT_EVERY == _KEPT_EVERY - 1:
                self.found.append(images[nearness > _NEAR][::_KEPT_STEP])
            chosen, values = self._choose(children, scores, nearness, images)
            is_better = values >= reached
            best = torch.where(is_better[:, None], chosen, best)
            reached = torch.where(is_better, values, reached)
        self.found.append(render(best)[reached > _NEAREST])
        return (reached >= 0).view(CLASSES, self.climbs)

    def _rate(self, genomes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the scores, from 0 where accepted with 0.9 down, how near they are to being accepted, and the images."""
        images = render(genomes)
        logits, novelty = answer(self.network, images)
        wanted = self.wanted.repeat_interleave(len(genomes) // len(self.wanted))
        likelihood = logits.log_softmax(1).gather(1, wanted[:, None])[:, 0]
        nearness = (self.thresholds[logits.argmax(1)].log() - novelty.clamp_min(_LEAST).log()).clamp_max(0)
        return (likelihood - math.log(_PROBABILITY)).clamp_max(0) + nearness, nearness, images

    def _choose(self, genomes: Tensor, scores: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        """Give the best of each climb, and its score."""
        values, places = scores.view(len(self.wanted), -1).max(1)
        own = genomes.view(len(self.wanted), -1, genomes.shape[1])
        return own[torch.arange(len(own), device=own.device), places], values
