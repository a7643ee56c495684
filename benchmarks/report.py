"""stub"""
from benchmarks.results import Results
def write(run: Results) -> None:
    """Write."""
    from pprint import pprint
    pprint(run)
