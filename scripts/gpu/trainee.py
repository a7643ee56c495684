"""One network and its training step: Muon for matrices, Adam for the rest; on a GPU, all of it is one CUDA graph."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scripts.gpu.networks import CLASSES, build_network
from scripts.gpu.stock import Stock, answer, to_input

_MOST_STEPS = 200_000
_MUON_MOMENTUM, _MUON_SCALE, _ADAM_RATIO = 0.95, 0.2, 0.5  # as in `fashion_api.training.fit.optimizers`
_FIRST_BETA, _SECOND_BETA, _ADAM_EPSILON = 0.9, 0.999, 1e-7
_WARM, _LEAST_SHARE = 0.1, 0.04  # the rate rises from 0.04 of its peak in the first tenth of the steps
_ACCEPTED = 0.98  # of the validation images said to be of a class; the search for nonsense goes by these thresholds
_FEWEST = 20
_WARM_UP_STEPS = 4  # before a graph is captured


@dataclass(frozen=True)
class Scheme:
    """How a network is trained."""

    articles: int = 512
    """In a batch."""
    outliers: int = 170
    """In a batch, beside the articles."""
    nonsense_share: float = 0.3
    """The share of the outliers that the search for nonsense found."""
    rate: float = 0.02
    decay: float = 0.01
    novelty_weight: float = 0.5


class Trainee:
    """A network in training."""

    def __init__(self, recipe: str, seed: int, scheme: Scheme, stock: Stock) -> None:
        torch.manual_seed(seed)
        self.name, self.scheme, self.stock = f"{recipe}_{seed}", scheme, stock
        self.recipe, self.seed = recipe, seed
        device = stock.device
        layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
        self.network = build_network(recipe).to(device, memory_format=layout).train()
        self.rng = torch.Generator(device=device).manual_seed(1000 + seed)
        self.stream = torch.cuda.Stream() if device.type == "cuda" else None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.thresholds = torch.full((CLASSES,), 0.05, device=device)
        self.rows: list[tuple[float, ...]] = []
        """Of the log: epoch, both losses, validation accuracy and loss, seconds."""
        self._prepare_optimizers()
        # A graph replays the same memory, so all that changes from step to step stands in tensors.
        self.step = torch.zeros(1, dtype=torch.long, device=device)
        self._shares = torch.full((_MOST_STEPS,), 1e-3, device=device)
        self._first = torch.zeros(1, dtype=torch.long, device=device)
        self.losses = torch.zeros(2, device=device)
        self.steps_an_epoch = stock.count // scheme.articles
        self._article_rows = torch.zeros(self.steps_an_epoch * scheme.articles, dtype=torch.long, device=device)
        self._outlier_rows = torch.zeros(self.steps_an_epoch * scheme.outliers, dtype=torch.long, device=device)
        self._places = torch.arange(scheme.articles, device=device), torch.arange(scheme.outliers, device=device)
        self._is_outlier = torch.cat((torch.zeros(scheme.articles), torch.ones(scheme.outliers))).to(device)

    def _prepare_optimizers(self) -> None:
        named = list(self.network.named_parameters())
        self._parameters = [parameter for _, parameter in named]
        self._matrices: dict[tuple[int, int], list[int]] = {}
        self._others: list[int] = []
        for index, (name, parameter) in enumerate(named):
            if parameter.ndim > 1 and len(parameter) > 1 and "logits" not in name:
                self._matrices.setdefault((len(parameter), parameter[0].numel()), []).append(index)
            else:
                self._others.append(index)
        device = self.stock.device
        self._momenta = {shape: torch.zeros((len(at), *shape), device=device) for shape, at in self._matrices.items()}
        self._sizes = [self._parameters[index].numel() for index in self._others]
        self._mean, self._variance = torch.zeros((2, sum(self._sizes)), device=device)

    def schedule(self, epochs: int) -> None:
        """Set the rate of every step of so many epochs: it rises, then falls to 0 as a cosine does."""
        total = epochs * self.steps_an_epoch
        steps = torch.arange(_MOST_STEPS, device=self.stock.device)
        rising = _LEAST_SHARE + (1 - _LEAST_SHARE) * steps / max(1, _WARM * total)
        falling = ((steps - _WARM * total) / max(1, total - _WARM * total)).clamp(0, 1)
        self._shares.copy_(torch.where(steps < _WARM * total, rising, 0.5 * (1 + (math.pi * falling).cos())))

    def shuffle(self, epoch: int) -> None:
        """Choose the epoch's rows: the next part of the articles in a new order, and outliers at random."""
        device, stock, count = self.stock.device, self.stock, len(self._outlier_rows)
        order = torch.randperm(stock.count, generator=self.rng, device=device)[: len(self._article_rows)]
        self._article_rows.copy_(epoch % stock.epochs * stock.count + order)
        rows = torch.randint(0, stock.drawn, (count,), generator=self.rng, device=device)
        if stock.nonsense:
            found = stock.drawn + torch.randint(0, stock.nonsense, (count,), generator=self.rng, device=device)
            is_found = torch.rand(count, generator=self.rng, device=device) < self.scheme.nonsense_share
            rows = torch.where(is_found, found, rows)
        self._outlier_rows.copy_(rows)
        self._first.copy_(self.step)
        self.losses.zero_()

    def capture(self) -> None:
        """Capture the step as a graph, on a GPU; the warming up changes the weights a little, at a low rate."""
        if self.stream is None:
            return
        self.shuffle(0)
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(_WARM_UP_STEPS):
                self._run_step()
        self.stream.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self._run_step()
        torch.cuda.synchronize()
        self.step.zero_()

    def run_step(self) -> None:
        """Take one step; on a GPU it only begins."""
        if self.graph is None:
            self._run_step()
            return
        with torch.cuda.stream(self.stream):
            self.graph.replay()

    def _run_step(self) -> None:
        scheme, stock, at = self.scheme, self.stock, self.step - self._first
        article_places, outlier_places = self._places
        rows = self._article_rows.index_select(0, at * scheme.articles + article_places)
        others = self._outlier_rows.index_select(0, at * scheme.outliers + outlier_places)
        images = torch.cat((stock.articles.index_select(0, rows), stock.outliers.index_select(0, others)))
        targets = stock.targets.index_select(0, rows).float()
        with torch.autocast(stock.device.type, torch.bfloat16, enabled=images.is_cuda, cache_enabled=False):
            logits, novelty = self.network(to_input(images))
        likelihoods = (targets * logits[: scheme.articles].float().log_softmax(1)).sum(1)
        class_loss = -likelihoods.sum() / len(images)
        novelty_loss = functional.binary_cross_entropy_with_logits(novelty.float(), self._is_outlier)
        gradients = torch.autograd.grad(class_loss + scheme.novelty_weight * novelty_loss, self._parameters)
        self._update(gradients)
        self.losses.add_(torch.stack((class_loss.detach(), novelty_loss.detach())))
        self.step.add_(1)

    @torch.no_grad()
    def _update(self, gradients: tuple[Tensor, ...]) -> None:
        rate = self.scheme.rate * self._shares.index_select(0, self.step)[0]
        for shape, group in self._matrices.items():
            gradient = torch.stack([gradients[index].flatten(1).float() for index in group])
            momentum = self._momenta[shape].mul_(_MUON_MOMENTUM).add_(gradient)
            change = orthogonalise(gradient + _MUON_MOMENTUM * momentum)
            change *= rate * _MUON_SCALE * math.sqrt(max(shape))
            for index, own in zip(group, change, strict=True):
                parameter = self._parameters[index]
                parameter.mul_(1 - self.scheme.decay * rate).sub_(own.view(parameter.shape))
        gradient = torch.cat([gradients[index].flatten().float() for index in self._others])
        taken = (self.step + 1).float()
        self._mean.mul_(_FIRST_BETA).add_(gradient, alpha=1 - _FIRST_BETA)
        self._variance.mul_(_SECOND_BETA).addcmul_(gradient, gradient, value=1 - _SECOND_BETA)
        mean, variance = self._mean / (1 - _FIRST_BETA**taken), self._variance / (1 - _SECOND_BETA**taken)
        change = _ADAM_RATIO * rate * mean / (variance.sqrt() + _ADAM_EPSILON)
        for index, own in zip(self._others, change.split(self._sizes), strict=True):
            self._parameters[index].sub_(own.view(self._parameters[index].shape))

    def validate(self, images: Tensor, labels: Tensor) -> tuple[float, float]:
        """Give accuracy and loss on the validation images, and set the novelty thresholds of the classes by them."""
        logits, novelty = answer(self.network, images)
        said = logits.argmax(1)
        for class_id in range(CLASSES):
            own = novelty[said == class_id]
            if len(own) >= _FEWEST:
                self.thresholds[class_id] = torch.quantile(own, _ACCEPTED)
        return float((said == labels).float().mean()), float(functional.cross_entropy(logits, labels))


def orthogonalise(matrices: Tensor) -> Tensor:
    """Make each matrix of float[k, m, n] nearly orthogonal, by five Newton-Schulz steps (K. Jordan et al., Muon)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if is_tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.bfloat16() if x.is_cuda else x
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if is_tall else x).float()
