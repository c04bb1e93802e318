"""Independent tasks on several processes, or on the machines of a Ray cluster."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed

from kgreg.errors import KgregError
from kgreg.optional import need

Result = TypeVar("Result")


def over_processes(
    function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(*task)`` as the tasks come to their end; with one worker, in this process and in order.

    Closing the generator, and Ctrl-C, stop what is still being done.
    """
    if workers <= 1:
        for task in tasks:
            yield function(*task)
        return
    calls = (delayed(_undisturbed)(function, task) for task in tasks)
    yield from Parallel(n_jobs=workers, return_as="generator_unordered")(calls)


def _undisturbed(function: Callable[..., Result], task: tuple[Any, ...]) -> Result:
    # Ctrl-C reaches the whole process group; the parent answers it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return function(*task)


def over_ray(
    function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], address: str, workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(*task)`` as the tasks come to their end on a Ray cluster; each takes one CPU of it.

    Parameters
    ----------
    address
        Of the cluster (``auto``, ``host:port``, ``ray://host:10001``), or ``local``: one that is started here, with
        ``workers`` CPUs, and stopped at the end.

    Raises
    ------
    MissingPackageError
        If ray is not installed.
    KgregError
        If there is no cluster at ``address``.
    """
    ray = need("ray", "ray")
    options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise KgregError(
            f"There is no Ray cluster at {address}: {error}", "Start one with `ray start --head`, or give --ray local."
        ) from error
    waiting: list[Any] = []
    try:
        remote = ray.remote(num_cpus=1)(function)
        waiting = [remote.remote(*task) for task in tasks]
        while waiting:
            (done, *_), waiting = ray.wait(waiting, num_returns=1)
            yield ray.get(done)
    finally:
        for task in waiting:
            ray.cancel(task, force=True)
        ray.shutdown()
