"""What runs on the scheduler."""

import numpy as np
from distributed import SchedulerPlugin


class TiesLoosened(SchedulerPlugin):
    """Tasks that prefer a worker, but may run on others, run on any that comes if there is none for them.

    Dask ignores the preference while there are workers. But if a task becomes ready when there are none, as after all
    have died, it waits for the one that it prefers, and for ever if that is gone. Such tasks are not of this package
    alone: the user's partitions may have been computed with ``allow_other_workers=True``, too.
    """

    name = "skdeepcluster-ties-loosened"
    idempotent = True

    async def start(self, scheduler):
        self._scheduler = scheduler

    def transition(self, key, start, finish, *args, **keywords):
        if finish == "no-worker":
            task = self._scheduler.tasks[key]
            if task.loose_restrictions:
                task.worker_restrictions = task.host_restrictions = None


def memory_of_workers(dask_scheduler):
    """Bytes that all workers may use; infinite if one has no limit."""
    return sum(worker.memory_limit or np.inf for worker in dask_scheduler.workers.values())
