"""What the networks are shown, on the device: articles with their targets, outliers, and the nonsense found so far."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scripts.gpu.banks import Banks, Data
from scripts.gpu.networks import CLASSES, Residual

_ANSWERED = 16_384  # images that a network answers at once
_ROUGH_SHARE, _ROUGHNESS = 0.4, 15  # of the nonsense gets noise of up to this standard deviation


class Stock:
    """The images that every network draws its batches from; the nonsense of all networks is one ring."""

    def __init__(self, banks: Banks, data: Data, *, nonsense: int, smoothing: float, device: torch.device) -> None:
        """Send the banks to the device, with the smoothed labels as targets and room for so much nonsense."""
        self.device = device
        self.count = len(data.images)
        self.epochs = len(banks.articles) // self.count
        self.articles = torch.from_numpy(banks.articles).to(device)
        self.drawn, self.nonsense, self._next = len(banks.outliers), 0, 0
        self.outliers = torch.zeros((self.drawn + nonsense, 28, 28), dtype=torch.uint8, device=device)
        self.outliers[: self.drawn] = torch.from_numpy(banks.outliers).to(device)
        labels = torch.from_numpy(data.labels[banks.sources].astype(np.int64)).to(device)
        self._labels = functional.one_hot(labels, CLASSES).half()
        self.targets = self._labels * (1 - smoothing) + smoothing / CLASSES

    def ask(self, teachers: Sequence[Residual], weight: float) -> None:
        """Replace this share of the labels by the teachers' mean answer to the very pixels."""
        for start in range(0, len(self.articles), _ANSWERED):
            part = slice(start, start + _ANSWERED)
            answers = sum(answer(teacher, self.articles[part])[0].softmax(1) for teacher in teachers) / len(teachers)
            self.targets[part] = ((1 - weight) * self._labels[part].float() + weight * answers).half()

    def add_nonsense(self, found: Iterable[Tensor]) -> None:
        """Put images, uint8[n, 28, 28] each, into the ring, some of them with noise."""
        room = len(self.outliers) - self.drawn
        for images in found:
            deviation = torch.rand((len(images), 1, 1), device=self.device) * _ROUGHNESS
            noise = torch.randn(images.shape, device=self.device) * deviation
            is_rough = torch.rand((len(images), 1, 1), device=self.device) < _ROUGH_SHARE
            rough = (images.float() + noise).round().clamp(0, 255).to(torch.uint8)
            places = (self._next + torch.arange(len(images), device=self.device)) % room
            self.outliers[self.drawn + places] = torch.where(is_rough, rough, images)
            self._next = (self._next + len(images)) % room
            self.nonsense = min(room, self.nonsense + len(images))

    def forget_nonsense(self) -> None:
        """Empty the ring."""
        self.nonsense = self._next = 0


def to_input(images: Tensor) -> Tensor:
    """Give uint8[n, 28, 28] as the network's input, in the layout that a GPU computes fastest."""
    x = (images.float() / 255)[:, None]
    return x.contiguous(memory_format=torch.channels_last) if x.is_cuda else x


@torch.no_grad()
def answer(network: Residual, images: Tensor) -> tuple[Tensor, Tensor]:
    """Answer uint8[n, 28, 28] as in serving: logits, float[n, 10], and novelty, float[n]."""
    network.eval()
    tuned, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False  # each new size would be tuned
    parts = []
    for part in images.split(_ANSWERED):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            logits, novelty = network(to_input(part))
        parts.append((logits.float(), functional.softplus(novelty.float())))
    torch.backends.cudnn.benchmark = tuned
    network.train()
    return torch.cat([logits for logits, _ in parts]), torch.cat([novelty for _, novelty in parts])
