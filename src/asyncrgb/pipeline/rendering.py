"""The middle stage: natural batches for the workers.

When a worker is free it gets its share of whatever is ready. Under load the batches are
large and their cost vanishes; under light load a single image goes at once.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.crews.level import Work
from asyncrgb.pipeline.crews.strength import Demand
from asyncrgb.pipeline.workers.enlarging import Enlarging
from asyncrgb.pipeline.workers.orders import Order, TooLarge
from asyncrgb.pipeline.workers.pace import Pace
from asyncrgb.pipeline.workers.recovery import take_stock

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Iterable

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.task import Task
    from asyncrgb.pipeline.workers.journal import Journal
    from asyncrgb.pipeline.workers.orders import Action, Answer, Piece, Rendered, Unusual
    from asyncrgb.pipeline.workers.recovery import Aftermath
    from asyncrgb.pipeline.workers.staff import Staff


_LINES: Final = 3


def most_batches(workers: int) -> int:
    """Tell how many batches so many workers have at most: each line may use them all."""
    return _LINES * (workers + 1)


class Queue(deque["Task"]):
    """Images that wait for a worker.

    Attributes:
        busy: number of batches of them that workers have.

    """

    busy = 0


class Batch(NamedTuple):
    """Images that go to a worker together.

    Attributes:
        tasks: the images.
        line: where they come from.
        notes: place of the notes on them in the journal.
        staff: number of the workers that have it: how often they have been replaced.
        volume: bytes of the images.

    """

    tasks: list[Task]
    line: Queue
    notes: int
    staff: int
    volume: int


class Rendering:
    """Hands what has been read to the workers, one batch more than there are of them.

    Images for which somebody waits stand in a line of their own, of which as many batches may be
    in flight besides: they wait for the ends of two batches at most, however long the other line.
    So do parts of scenes: half of the workers are theirs, as long as there are images besides.

    Args:
        means: where the images are.
        staff: the workers.
        journal: where workers note what they do.
        limits: sizes of batches, and what is refused.
        options: for jobs that have none of their own.
        deliver: takes the tasks of a batch, each with what the worker says of it.
        drop: takes a task that nobody wants any more.
        repeat: takes a task whose image has to be read again after a worker died.

    """

    def __init__(  # noqa: PLR0913 - a stage knows its neighbours, once
        self,
        *,
        means: Means,
        staff: Staff,
        journal: Journal,
        limits: Limits,
        options: RenderOptions,
        deliver: Callable[[list[Task], list[Rendered]], None],
        drop: Callable[[Task], None],
        repeat: Callable[[Task], None],
    ) -> None:
        self._arena = means.arena
        self._background = means.background
        self._staff = staff
        self._journal = journal
        self._limits = limits
        self._sent_limits = staff.packed(limits)
        self._share = limits.share
        self._options = options
        self._deliver = deliver
        self._drop = drop
        self._repeat = repeat
        self._most_bytes = limits.memory // (2 * (staff.size + 1))
        self._pace = Pace()
        self.work = Work(staff.size)
        self._pressing, self._parts, self._ready = self._lines = Queue(), Queue(), Queue()
        self._enlarging = Enlarging(self._arena)
        self._in_flight: dict[int, Batch] = {}  # by the place of their notes
        self._isolated = False  # there is one in flight, of one image that may kill who has it
        self._dropped = False  # an image has been, since nobody wants it any more

    @property
    def ready(self) -> int:
        """Number of images that wait for a worker, or for room."""
        return sum(map(len, self._lines)) + len(self._enlarging)

    @property
    def under_way(self) -> int:
        """Number of images that workers have been given."""
        return sum(len(batch.tasks) for batch in self._in_flight.values())

    @property
    def cramped(self) -> bool:
        """Whether nothing may take room, since images under way need more of it."""
        return len(self._enlarging) > 0

    @property
    def appetite(self) -> Demand:
        """What readers should do: nobody waits for a full batch, nor reads beyond it."""
        if self.cramped:
            return Demand.STOP
        idle = self._staff.size - len(self._in_flight)
        starting = not self._staff.at_work
        if len(self._ready) >= self._limits.batch * (idle if starting else 1):
            return Demand.LESS
        return Demand.MORE if starting or (idle > 0 and not self._ready) else Demand.SAME

    def put(self, tasks: list[Task]) -> None:
        """Let images that have been read be rendered."""
        self._ready.extend(tasks)

    def put_pressing(self, task: Task) -> None:
        """Let an image be rendered for which somebody waits."""
        self._pace.hurry()
        self._pressing.append(task)

    def put_part(self, task: Task) -> None:
        """Let a part of a scene be seen to."""
        self._parts.append(task)

    def dispatch(self) -> None:
        """Send batches while a worker is free, and a full one to wait for the next that is."""
        self._dropped = True
        while self._dropped:  # which may have left the room that another waits for
            self._dropped = False
            while (task := self._enlarging.take()) is not None:
                self._put_back([task])
            for line in self._lines:
                while line and self._next(line) is not None and self._may_send(line):
                    self._send(line)

    def _send(self, line: Queue) -> None:
        tasks, volume = self._take(line)
        notes = self._journal.open(len(tasks))
        batch = Batch(tasks, line, notes, self._staff.number, volume)
        self._in_flight[notes] = batch
        self._isolated = tasks[0].alone
        line.busy += 1
        self.work.sent(len(self._in_flight))
        self._submit(batch)

    def _put_back(self, tasks: Iterable[Task]) -> None:
        """Let images that have been in line before be rendered first, in their order."""
        for task in reversed([*tasks]):
            self._line_of(task).appendleft(task)

    def _line_of(self, task: Task) -> Queue:
        if task.bulky:
            return self._parts
        return self._pressing if task.pressing else self._ready

    def _free(self, line: Queue) -> int:
        """Count the workers that have no batch of this line, of those that may have one."""
        shared = line is self._parts and len(self._ready) > 0
        return (-(-self._staff.size // 2) if shared else self._staff.size) - line.busy

    def _next(self, line: Queue) -> Task | None:
        while line and not line[0].wanted:
            self._dropped = True
            self._drop(line.popleft())
        return line[0] if line else None

    def _may_send(self, line: Queue) -> bool:
        if not self._staff.at_work:
            return False
        if line[0].alone or self._isolated:
            return not self._in_flight
        free, full = self._free(line), line[0].bulky or len(line) >= self._limits.batch
        return free > 0 or (free == 0 and full)

    def _take(self, line: Queue) -> tuple[list[Task], int]:
        share = -(-len(line) // max(self._free(line), 1))
        most_bytes = min(self._most_bytes, self._pace.most_bytes)
        batch = [line.popleft()]
        volume = batch[0].length
        most = 1 if batch[0].alone or batch[0].bulky else min(share, self._limits.batch)
        while len(batch) < most:
            task = self._next(line)
            if task is None or task.alone or volume + task.length > most_bytes:
                break
            volume += task.length
            batch.append(line.popleft())
        return batch, volume

    def _submit(self, batch: Batch) -> None:
        try:
            order = self._order(batch)
            said = self._staff.submit(order)
        except Exception as error:  # noqa: BLE001 - also options that cannot be pickled
            self._background.spawn(self._fail(batch, error))
        else:
            self._background.follow(said, partial(self._answered, batch, order))

    def _answered(self, batch: Batch, order: Order, said: Future[list[Answer] | Unusual]) -> None:
        try:
            answers = self._staff.answers(order, said)
        except Exception as error:  # noqa: BLE001 - whatever the executor says
            self._background.spawn(self._fail(batch, error))
            return
        if answers is None:
            self._submit(batch)
            return
        seconds = self._journal.seconds(batch.notes)
        if self._settle(batch):
            but_one = 1 - 1 / len(batch.tasks)  # images; the last is not timed
            self._pace.note(int(batch.volume * but_one), seconds)
            self.work.done(len(batch.tasks), seconds)
            self._hand_on(batch.tasks, answers)

    def _settle(self, batch: Batch) -> bool:
        """Take a batch as done with; False if it was before: lost with its workers."""
        if self._in_flight.get(batch.notes) is not batch:
            return False
        del self._in_flight[batch.notes]
        batch.line.busy -= 1
        self._isolated = False
        self.work.ended(len(self._in_flight))
        self._journal.close(batch.notes)
        return True

    def _hand_on(self, tasks: list[Task], answers: list[Answer]) -> None:
        """Deliver results, but for pictures that need more room first."""
        self._staff.patience.renew()
        if TooLarge in map(type, answers):
            each = list(zip(tasks, answers, strict=True))
            needs = [(task, it.length) for task, it in each if isinstance(it, TooLarge)]
            self._enlarging.put(needs, len(tasks))
            tasks = [task for task, it in each if not isinstance(it, TooLarge)]
            answers = [it for it in answers if not isinstance(it, TooLarge)]
        self._deliver(tasks, cast("list[Rendered]", answers))

    def _order(self, batch: Batch) -> Order:
        numbers: dict[int, int] = {}  # of the actions, by identity
        packed: list[Action | bytes] = []
        pieces: list[Piece] = []
        for task in batch.tasks:
            action = task.action or self._options
            number = numbers.setdefault(id(action), len(packed))
            if number == len(packed):
                packed.append(self._staff.packed(action))
            start, size = task.extent  # type: ignore[misc] # it has one
            pieces.append((start, size, task.length, number, task.piped))
        most = None if batch.tasks[0].pressing else self._share
        return Order(self._arena.name, batch.notes, pieces, packed, self._sent_limits, most=most)

    async def _fail(self, batch: Batch, error: Exception) -> None:
        if isinstance(error, BrokenExecutor) and self._staff.replaceable:
            await self._staff.replace(batch.staff, self._recover)
            self.dispatch()
        else:
            self._isolate(batch, error)

    def _recover(self) -> bool:
        """See what became of the batches of workers that died; tell whether they got anywhere."""
        progress = False
        for batch in [
            each for each in self._in_flight.values() if each.staff == self._staff.number
        ]:
            after = self._stock(batch)
            progress |= after.progress
            self._put_back(after.suspects + after.whole)
            self._put_right(after)
        return progress

    def _stock(self, batch: Batch) -> Aftermath:
        account = self._journal.read(batch.notes, len(batch.tasks))
        self._settle(batch)
        return take_stock(batch.tasks, account, self._staff.exits, self._limits.timeout)

    def _put_right(self, after: Aftermath) -> None:
        for task in after.spoilt:
            self._repeat(task)
        ended: list[tuple[Task, Rendered]] = [*after.finished, *after.failed]
        if ended:
            self._deliver([task for task, _ in ended], [result for _, result in ended])

    def _isolate(self, batch: Batch, error: Exception) -> None:
        """Render the images of a batch one by one: something is wrong with one, or with all."""
        if batch.tasks[0].alone:
            self._settle(batch)
            if not isinstance(error, AsyncRgbError):
                error = AsyncRgbError(f"cannot be rendered: {type(error).__name__}: {error}")
            self._deliver(batch.tasks, [error])
            return
        after = self._stock(batch)
        for task in (*after.suspects, *after.whole, *after.spoilt):
            task.alone = True
        for task in (*after.suspects, *after.whole):
            self._line_of(task).append(task)
        self._put_right(after)
        self.dispatch()
