"""Processes that train together on JAX: how they meet, and how they notice that one of them has ended.

While it waits for one that has ended, JAX would wait for a minute and more, and then abort with pages about its own
affairs. Here each process keeps a connection to the first one. What is computed is left to `jax_training.py`.
"""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NoReturn

import jax
from jax._src.distributed import global_state  # JAX has no public way to its store of keys, and to the coordinator

LOST = 3  # the exit code
TIMEOUT = 300  # seconds in which all processes must have come
KEY = "tinygrad_edu/port"


def join_processes(coordinator: str, processes: int, process: int) -> None:
    """Meets the other processes, and waits for them; it has to be the first thing that is done with JAX.

    Args:
        coordinator: The address of the first process, as "host:port".
        processes: How many there are.
        process: The number of this one, from 0.

    Raises:
        ValueError: They have not come.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"process {process} of {processes} has not met the others at {coordinator}: {reason}"
        ) from None


class _Watch:
    """The connections of this process, and the first one of them that has ended."""

    def __init__(self) -> None:
        self.lost = ""
        self.is_waiting = False
        self._lock = threading.Lock()
        index, count = jax.process_index(), jax.process_count()
        client: Any = global_state.client
        if index == 0:
            with socket.create_server(("", 0)) as listener:
                listener.settimeout(TIMEOUT)
                client.key_value_set(KEY, str(listener.getsockname()[1]))
                missing = {*range(1, count)}
                while missing:
                    connection, _ = listener.accept()
                    connection.settimeout(10)
                    peer = 0
                    with suppress(OSError):
                        peer = int.from_bytes(connection.recv(4), "big")
                    if peer not in missing:  # somebody else knocks at the port
                        connection.close()
                        continue
                    missing.remove(peer)
                    self._listen(connection, peer)
        else:
            host = str(global_state.coordinator_address).rpartition(":")[0]  # the first process, as others know it
            port = client.blocking_key_value_get(KEY, TIMEOUT * 1000)
            connection = socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT)
            connection.sendall(index.to_bytes(4, "big"))
            self._listen(connection, 0)

    def _listen(self, connection: socket.socket, peer: int) -> None:
        """Waits in the background for the end of a connection: nothing is ever sent."""
        connection.settimeout(None)

        def wait() -> None:
            with suppress(OSError):
                connection.recv(1)
            with self._lock:
                self.lost = self.lost or f"process {peer} of {jax.process_count()}"
                if self.is_waiting:
                    self.end()

        threading.Thread(target=wait, daemon=True).start()

    def set_waiting(self, is_waiting: bool) -> None:
        """Whether this process is about to wait for the others, and cannot go on without one of them."""
        with self._lock:
            self.is_waiting = is_waiting
            if is_waiting and self.lost:
                self.end()

    def end(self) -> NoReturn:
        """Ends this process at once: JAX's own end would wait for the one that is lost."""
        sys.stderr.write(
            f"Error: {self.lost} has ended, and the others with it. With a checkpoint, the training goes on from its "
            "last epoch when it is started again, on any number of processes.\n"
        )
        sys.stderr.flush()
        os._exit(LOST)


@cache
def meet_processes() -> _Watch | None:
    """Connects the processes, once for their life; None where there is only one. All of them have to call it."""
    return _Watch() if jax.process_count() > 1 else None


@contextmanager
def wait_for_processes() -> Iterator[None]:
    """While this is open, this process waits for the others: where one of them has ended, it ends, and says so."""
    watch = meet_processes()
    if watch is None:
        yield
        return
    watch.set_waiting(True)
    try:
        yield
    finally:
        watch.set_waiting(False)
