"""Fuzzing: `python -m tests.fuzz` (`make fuzz`) looks for inputs that break a reader, or the server.

The fuzzer is libFuzzer, by atheris: it keeps inputs that reach new lines. `corpus/` holds a few inputs of each target
to start from, and those that once broke it; the tests send them all. `.fuzz/` holds what was found since.
"""
