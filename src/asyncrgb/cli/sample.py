"""``asyncrgb sample``: data to try things out with."""

from __future__ import annotations

import click

from asyncrgb.cli.parameters import any_path
from asyncrgb.cli.terminal import tell
from asyncrgb.cli.words import shown


@click.command()
@click.argument("destination", metavar="DST", type=any_path)
@click.option("--count", metavar="N", type=int, default=2000, show_default=True, help="Chips.")
@click.option(
    "--seed",
    metavar="S",
    type=int,
    default=0,
    show_default=True,
    help="The same seed gives the same files.",
)
def sample(destination: str, count: int, seed: int) -> None:
    """Write EuroSAT-like TIFFs to DST/<Class>/<Class>_<n>.tif.

    Ten classes of 64 x 64 pixels in 13 bands, 16 bit, with the structure and the statistics
    of the real ones.
    """
    from asyncrgb import write_samples  # noqa: PLC0415 - numpy, which --help does not need

    paths = write_samples(destination, count, seed=seed)
    tell(f"{len(paths)} chips written to {shown(destination)}")
