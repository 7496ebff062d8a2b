"""What ``scripts/benchmark.py`` compares and how it measures.

``python -m benchmarks NAME SRC DST WORKERS`` (from ``scripts``) is one run of one contender:
each is a process of its own, so that nobody finds what another has left behind.
"""
