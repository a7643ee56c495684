"""What a scrape of a service has, as Prometheus reads it."""

import time
import urllib.request
from collections.abc import Callable, Iterator

from prometheus_client.parser import text_string_to_metric_families

from tests.raw_http import LIMIT_S

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(port: int, path: str = "/metrics") -> Samples:
    """The samples at an address."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_S) as answer:
        return dict(_list_samples(answer.read().decode()))


def _list_samples(text: str) -> Iterator[tuple[tuple[str, frozenset[tuple[str, str]]], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield (sample.name, frozenset(sample.labels.items())), sample.value


def find(samples: Samples, name: str, /, **labels: str) -> list[tuple[float, dict[str, str]]]:
    """The samples with this name and these labels, each with all its labels."""
    return [
        (value, dict(its_labels))
        for (found, its_labels), value in samples.items()
        if found == name and labels.items() <= its_labels
    ]


def total(samples: Samples, name: str, /, **labels: str) -> float:
    """The sum of the samples with this name and these labels."""
    return sum(value for value, _ in find(samples, name, **labels))


def wait_for(port: int, wanted: float, measure: Callable[[Samples], float]) -> Samples:
    """Read until a figure is reached, and never passed."""
    give_up_at = time.monotonic() + LIMIT_S
    while True:
        samples = read(port)
        found = measure(samples)
        if found >= wanted or time.monotonic() > give_up_at:
            assert found == wanted
            return samples
        time.sleep(0.02)


def wait_for_total(port: int, wanted: float, name: str, /, **labels: str) -> Samples:
    """Read until the sum of some samples is reached, and never passed."""
    return wait_for(port, wanted, lambda samples: total(samples, name, **labels))
