"""The engine of the compiled form."""

import os
from pathlib import Path

import pytest

from fashion_api.errors import DamagedModelError
from fashion_api.inference.onnx_engine import OnnxClassifier, count_usable_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000\n", ALL),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("99900000 100000\n", ALL),
        ("nonsense\n", ALL),
        (None, ALL),
    ],
    ids=["no quota", "one core", "half a core", "more than there are", "unreadable", "no such file"],
)
def test_quota_of_the_control_group_counts(tmp_path: Path, cpu_max: str | None, cores: int) -> None:
    """The quota of a container limits the number of cores, which is at least one."""
    path = tmp_path / "cpu.max"
    if cpu_max is not None:
        path.write_text(cpu_max)
    assert count_usable_cores(path) == cores


def test_bytes_of_no_compiled_model_are_damaged() -> None:
    """Bytes that ONNX Runtime cannot load are a damaged model."""
    with pytest.raises(DamagedModelError):
        OnnxClassifier(b"nonsense", threads=1)
