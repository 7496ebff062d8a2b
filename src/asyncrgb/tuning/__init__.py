"""Which limits suit these files and this storage: measured, by the public API only.

Images of a sample are converted over and over, each time under other limits, into folders
that are thrown away. ``sample`` knows the files and whether the system's cache favours them,
``trial`` converts some of them, ``search`` decides under which limits, ``verdict`` compares.
"""
