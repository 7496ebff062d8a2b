"""An object store for tests and benchmarks: in memory, as slow and as faulty as is wanted."""
