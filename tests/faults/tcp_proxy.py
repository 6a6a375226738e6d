"""A proxy for one TCP port that can break what passes: connections reset, silent, or cut before a reply."""

import contextlib
import random
import select
import socket
import struct
import threading
from collections.abc import Iterator

_BLOCK = 1 << 16
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes bytes between its own port and `port`, both on 127.0.0.1; counts its faults."""

    def __init__(self, port: int, *, seed: int, cut_after: bytes | None = None, share: float = 0.0) -> None:
        self.faults = 0
        self.away = False
        """Whether nobody is let through any more."""
        self._mute: set[socket.socket] = set()
        self._upstream = port
        self._cut_after = cut_after
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def reset_all(self) -> None:
        """Cut every connection as a dying router would."""
        with self._lock:
            for pair in self._pairs:
                for end in pair:
                    with contextlib.suppress(OSError):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        end.shutdown(socket.SHUT_RDWR)
            self.faults += len(self._pairs)

    def mute_all(self) -> None:
        """Make every connection a half-open one, for good: both ends believe in it, and nothing comes through."""
        with self._lock:
            self._mute |= {client for client, _ in self._pairs}
            self.faults += len(self._pairs)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.away:
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream), timeout=10)
        except OSError:
            client.close()
            return
        pair = (client, server)
        with self._lock:
            self._pairs.add(pair)
        try:
            with client, server:
                self._pass(client, server)
        except OSError:
            # One of the two has gone, which is for the other to notice.
            return
        finally:
            with self._lock:
                self._pairs.discard(pair)
                self._mute.discard(client)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        cutting = False
        while not self._closed:
            ready, _, _ = select.select([client, server], [], [], 0.5)
            for end in ready:
                data = end.recv(_BLOCK)
                if not data:
                    return
                if client in self._mute:
                    continue
                if end is server and cutting:
                    # The server has done it and said so; nobody hears.
                    with self._lock:
                        self.faults += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
                if end is client and self._cut_after is not None and self._cut_after in data:
                    with self._lock:
                        cutting = self._random.random() < self._share
                other[end].sendall(data)


@contextlib.contextmanager
def proxy(port: int, *, seed: int, cut_after: bytes | None = None, share: float = 0.0) -> Iterator[Proxy]:
    """A proxy before `port`; behind `cut_after` from a client, it cuts `share` of the replies off."""
    opened = Proxy(port, seed=seed, cut_after=cut_after, share=share)
    thread = threading.Thread(target=opened._accept, name="proxy", daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        opened._closed = True
        opened._listener.close()
        opened.reset_all()
