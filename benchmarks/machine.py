"""What the figures were measured on."""

import os
import platform
import sys
from pathlib import Path


def describe() -> dict[str, str]:
    """Describe the machine and what the benchmark itself runs on."""
    memory_kb = int(_read_field("/proc/meminfo", "MemTotal").split()[0])
    return {
        "processor": _read_field("/proc/cpuinfo", "model name"),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_kb / 2**20:.0f} GiB",
        "virtual": "yes" if "hypervisor" in _read_field("/proc/cpuinfo", "flags").split() else "no",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
    }


def _read_field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
