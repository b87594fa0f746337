"""Processes that train together on JAX: how they meet, and how they notice that one of them has ended.

While it waits for one that has ended, JAX would wait for minutes, and then abort with pages about its own affairs. Here
each process keeps a connection to the first one, and says on it that it is about to end. What is computed is left to
`jax_training.py`.
"""

import atexit
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NoReturn

import jax
from jax._src.distributed import global_state  # JAX has no public way to its store of keys, and to the coordinator

LOST = 3  # the exit code
TIMEOUT = 300  # seconds in which all processes must have come
GRACE = 5  # seconds in which what has been sent, or that a process has ended, arrives everywhere
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
    """The connections of this process, and the first one of them that has ended.

    A process that comes to its end by itself says so, by a byte, and waits until all others have said it. It may have
    all results, and another one still wait for what was sent; or it ends by an error, and the others wait for ever.
    """

    def __init__(self) -> None:
        self.lost = ""
        self.is_waiting = False
        self._has_lost_one_at_once = False
        self._is_leaving = threading.Event()
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
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
        atexit.register(self._leave)  # before JAX does, which was imported before

    def _listen(self, connection: socket.socket, peer: int) -> None:
        """Waits in the background for what the other process says, or for the end of the connection."""
        connection.settimeout(None)

        def wait() -> None:
            said = b""
            with suppress(OSError):
                said = connection.recv(1)
            if said and self._is_leaving.wait(GRACE):
                return
            with self._lock:
                self._has_lost_one_at_once |= not said
                self.lost = self.lost or f"process {peer} of {jax.process_count()}"
                if self.is_waiting:
                    self.end()

        self._connections.append(connection)
        self._threads.append(threading.Thread(target=wait, daemon=True))
        self._threads[-1].start()

    def _leave(self) -> None:
        """At the end of this process: it says so, and waits for the others, and ends at once if one is lost."""
        self._is_leaving.set()
        for connection in self._connections:
            with suppress(OSError):
                connection.sendall(b"x")
        for thread in self._threads:
            thread.join()
        if self._has_lost_one_at_once:  # JAX would wait for it
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            self._drop()
            os._exit(LOST)

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
        self._drop()
        os._exit(LOST)

    def _drop(self) -> None:
        """Ends all connections: the others learn it here, and not from JAX, which they lose with the first process."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.5)


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
    except jax.errors.JaxRuntimeError:
        time.sleep(GRACE)  # JAX may notice sooner than the watch that a process has ended
        raise
    finally:
        watch.set_waiting(False)
