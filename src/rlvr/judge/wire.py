"""Frames of bytes on a stream socket: four bytes of length, then the bytes."""

import socket


def write_frame(connection: socket.socket, data: bytes) -> None:
    connection.sendall(len(data).to_bytes(4, "big") + data)


def read_frame(connection: socket.socket) -> bytes | None:
    """The next frame; None where the other side has hung up."""
    head = _read(connection, 4)
    return None if head is None else _read(connection, int.from_bytes(head, "big"))


def _read(connection: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
