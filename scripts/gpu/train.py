"""Train teachers, or students with teachers, side by side on one GPU; on a CPU, small runs show that it works.

    PYTHONPATH=src:. python scripts/gpu/train.py --data DIR --out OUT --epochs 65 teacher:0 teacher:1
    PYTHONPATH=src:. python scripts/gpu/train.py --data DIR --out OUT --epochs 352 --teachers OUT standard:0 compact:0

Needs PyTorch, NumPy, Pillow and matplotlib. Writes NAME_SEED.npz and NAME_SEED_log.csv of each network;
`to_h5.py` makes models of them. The test images are never read. docs/explanation/training.md says what was run.
"""

import argparse
import csv
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.gpu.banks import Data, draw_banks, load_data
from scripts.gpu.networks import build_network, export_weights, import_weights
from scripts.gpu.search import Search
from scripts.gpu.stock import Stock
from scripts.gpu.trainee import Scheme, Trainee

_SCHEMES = {
    "teacher": Scheme(outliers=128, nonsense_share=0.25, decay=0.02),
    "standard": Scheme(),
    "compact": Scheme(outliers=320, nonsense_share=0.4),
}
_SMOOTHING = 0.05  # of the labels, without teachers
_DISTILLATION_WEIGHT = 0.8
_FIRST_ROUND, _LAST_ROUND = 0.12, 0.95  # of the epochs: when nonsense is first and last searched for
_MARGIN = 1.03
_STARTED = time.monotonic()


def main() -> int:
    """Train what the command line names."""
    options = parse_options()
    data = load_data(options.data, options.images)
    banks = draw_banks(
        data.images, epochs=options.bank_epochs, outliers=options.bank_outliers, seed=1, workers=options.workers
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    say(f"banks are drawn; PyTorch {torch.__version__} on {device}")
    smoothing = 0.0 if options.teachers else _SMOOTHING
    stock = Stock(banks, data, nonsense=options.nonsense, smoothing=smoothing, device=device)
    if options.teachers:
        teachers = [load_network(path, device) for path in sorted(options.teachers.glob("teacher_*.npz"))]
        stock.ask(teachers, _DISTILLATION_WEIGHT)
        say(f"{len(teachers)} teachers have answered")
    names = [network.split(":") for network in options.networks]
    trainees = [Trainee(recipe, int(seed), _SCHEMES[recipe], stock) for recipe, seed in names]
    Training(trainees, data, options).run()
    options.out.mkdir(parents=True, exist_ok=True)
    for trainee in trainees:
        write(trainee, data, options)
    return 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", metavar="RECIPE:SEED", help="teacher, standard or compact, and a seed")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the training set's two IDX files")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument(
        "--teachers", type=Path, help="the folder of teacher_*.npz; without it, labels alone are learnt"
    )
    parser.add_argument("--epochs", type=int, default=352)
    parser.add_argument("--seconds", type=float, default=3600, help="fewer epochs, if they would take longer than this")
    parser.add_argument("--images", type=int, help="train on, and validate with, so many at most")
    parser.add_argument("--bank-epochs", type=int, default=60, help="how often each image is altered beforehand")
    parser.add_argument("--bank-outliers", type=int, default=1_000_000, help="drawn beforehand")
    parser.add_argument("--nonsense", type=int, default=200_000, help="images of nonsense that are kept, at most")
    parser.add_argument("--rounds", type=int, default=36, help="searches for nonsense of each network")
    parser.add_argument("--climbs", type=int, default=16, help="of a search, for each class")
    parser.add_argument("--queries", type=int, default=800, help="images classified in a climb")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    return parser.parse_args()


def load_network(path: Path, device: torch.device) -> torch.nn.Module:
    """Load a network that `write` has written."""
    network = build_network(path.stem.split("_")[0])
    import_weights(network, dict(np.load(path)))
    return network.to(device)


class Training:
    """The epochs of several networks, one step of each in turn."""

    def __init__(self, trainees: Sequence[Trainee], data: Data, options: argparse.Namespace) -> None:
        self.trainees, self.options, self.began = trainees, options, time.monotonic()
        device = trainees[0].stock.device
        self.images = torch.from_numpy(data.validation_images).to(device)
        self.labels = torch.from_numpy(data.validation_labels.astype(np.int64)).to(device)

    def run(self) -> None:
        """Train all networks; as many epochs as were asked for, or as the time allows."""
        for trainee in self.trainees:
            trainee.capture()
        began = time.monotonic()
        self.search(round_=0)  # for its time alone: the networks know nothing yet
        self.trainees[0].stock.forget_nonsense()
        search_s, epochs = time.monotonic() - began, self.options.epochs
        self.plan(epochs)
        began, epoch = time.monotonic(), 0
        while epoch < epochs:
            self.run_epoch(epoch)
            epoch += 1
            if epoch == min(3, epochs):
                pace = (time.monotonic() - began) / epoch * _MARGIN
                left = self.options.seconds - (time.monotonic() - _STARTED) - self.options.rounds * search_s
                epochs = min(epochs, max(epoch, epoch + int(left / pace)))
                say(f"{pace:.2f} s an epoch, {search_s:.1f} s a search: {epochs} epochs")
                self.plan(epochs)
            is_round = epoch in self.rounds and epoch < epochs
            if is_round or epoch == epochs:
                self.log(epoch)
            if is_round:
                self.search(round_=epoch)

    def plan(self, epochs: int) -> None:
        """Set the rates of so many epochs, and after which of them nonsense is searched for."""
        for trainee in self.trainees:
            trainee.schedule(epochs)
        shares = np.linspace(_FIRST_ROUND, _LAST_ROUND, self.options.rounds)
        self.rounds = {max(1, round(epochs * share)) for share in shares}

    def run_epoch(self, epoch: int) -> None:
        """Show each network its articles once."""
        for trainee in self.trainees:
            trainee.shuffle(epoch)
        synchronise()
        for _ in range(self.trainees[0].steps_an_epoch):
            for trainee in self.trainees:
                trainee.run_step()
        synchronise()

    def log(self, epoch: int) -> None:
        """Validate each network."""
        for trainee in self.trainees:
            accuracy, loss = trainee.validate(self.images, self.labels)
            losses = (trainee.losses / trainee.steps_an_epoch).tolist()
            trainee.rows.append((epoch, *losses, accuracy, loss, time.monotonic() - self.began))
        say(f"epoch {epoch}: " + "; ".join(f"{t.name} {t.rows[-1][3]:.4f} {t.rows[-1][4]:.3f}" for t in self.trainees))

    def search(self, *, round_: int) -> None:
        """Search for nonsense at each network, and keep what is found for all of them."""
        shares = []
        for trainee in self.trainees:
            seed = round_ * 100 + trainee.seed
            search = Search(trainee.network, trainee.thresholds, climbs=self.options.climbs, seed=seed)
            shares.append(f"{trainee.name} {float(search.run(self.options.queries).float().mean()):.3f}")
            trainee.stock.add_nonsense(search.found)
        say(f"climbs that reach nonsense: {'; '.join(shares)}; {self.trainees[0].stock.nonsense} images kept")


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def write(trainee: Trainee, data: Data, options: argparse.Namespace) -> None:
    """Write the weights, the log, how it was run, and images with the answers to them in float32, to check them by."""
    network = trainee.network.cpu().float().eval()
    checked = np.concatenate((data.validation_images[:192], trainee.stock.outliers[:64].cpu().numpy()))
    with torch.no_grad():
        logits, novelty = network((torch.from_numpy(checked).float() / 255)[:, None])
    check: dict[str, Tensor] = {"probabilities": logits.softmax(1), "novelty": torch.nn.functional.softplus(novelty)}
    answers = {f"check/{name}": value.numpy() for name, value in check.items()}
    run = json.dumps(describe(trainee, options))
    path = options.out / f"{trainee.name}.npz"
    np.savez(path, **export_weights(network), **answers, **{"check/images": checked, "run": np.array(run)})
    with (options.out / f"{trainee.name}_log.csv").open("w", newline="") as file:
        names = ("epoch", "class_loss", "novelty_loss", "validation_accuracy", "validation_loss", "seconds")
        csv.writer(file).writerows([names, *trainee.rows])


def describe(trainee: Trainee, options: argparse.Namespace) -> dict[str, Any]:
    """Describe the run for the model's manifest."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"
    scheme = trainee.scheme
    return {
        "recipe": trainee.recipe,
        "seed": trainee.seed,
        "epochs": trainee.rows[-1][0],
        "batch_size": scheme.articles + scheme.outliers,
        "duration_s": round(trainee.rows[-1][-1], 1),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "note": f"Trained in PyTorch on {device}, {len(options.networks)} networks side by side, by scripts/gpu: the "
        "recipe's network and scheme, but the altered images were drawn beforehand, "
        f"{options.bank_epochs} of each, the outliers came from a stock of {options.bank_outliers:,}, and the search "
        f"for nonsense ({options.queries} queries a climb, {options.climbs} climbs a class) ran {options.rounds} times "
        f"for each network; what was found for one was shown to all. Each batch had {scheme.articles} articles and "
        f"{scheme.outliers} outliers, {scheme.nonsense_share:.0%} of them found. The last weights are kept, and were "
        "then written to a Keras .h5. The training accuracy is that of these weights on 5,500 altered images. The "
        "command trains the same network by the same scheme, to other weights.",
    }


def say(text: str) -> None:
    """Print a line, with the seconds since the start."""
    sys.stdout.write(f"[{time.monotonic() - _STARTED:6.1f}] {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
