"""Batches for workers that share no memory with this process: images go with the order.

All else is as with others: the images keep their places in the arena, for as long as pictures
are on their way, and the notes on a batch are in its journal, where recovery reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.pipeline.memory.shared import attach
from asyncrgb.pipeline.workers.journal import Notes

if TYPE_CHECKING:
    from asyncrgb.pipeline.workers.orders import Answer, Brought, Order, Piece


def enclosed(order: Order) -> Order:
    """Give an order that has its images with it, and wants all pictures back the same way."""
    memory = attach(order.arena)
    notes = Notes(memory, order.notes, len(order.pieces))
    images: list[memoryview] = []
    pieces: list[Piece] = []
    end = 0
    for place, (start, _, length, number, _) in enumerate(order.pieces):
        notes.begin(place)  # a worker that dies says nothing: any of them may have been its end
        images.append(memory[start : start + length])
        pieces.append((end, 0, length, number, True))
        end += length
    return order._replace(pieces=pieces, images=b"".join(images))


def unpacked(order: Order, brought: Brought) -> list[Answer]:
    """Put the notes of the worker where its own would be, and give its answers."""
    start = order.notes
    attach(order.arena)[start : start + len(brought.notes)] = brought.notes
    return brought.answers
