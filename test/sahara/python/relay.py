"""Carries TCP connections over a Unix socket, so that a network namespace
without any route still reaches one port outside.

``relay.py inside PORT SOCKET`` listens on 127.0.0.1:PORT and connects to the
Unix socket; ``outside`` is the other way round.
"""

import os
import shutil
import socket
import sys
import threading


def main(side, port, path):
    address = ('127.0.0.1', int(port))
    if side == 'inside':
        listener = socket.create_server(address)
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
    sys.stdout.write('listening\n')
    sys.stdout.flush()
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=_serve, daemon=True, args=(
            accepted, side, address, path)).start()


def _serve(accepted, side, address, path):
    try:
        if side == 'inside':
            onward = socket.socket(socket.AF_UNIX)
            onward.connect(path)
        else:
            onward = socket.create_connection(address)
    except OSError:
        accepted.close()
        return
    back = threading.Thread(target=_copy, args=(onward, accepted),
                            daemon=True)
    back.start()
    _copy(accepted, onward)
    back.join()
    accepted.close()
    onward.close()


def _copy(source, target):
    try:
        with source.makefile('rb', 0) as reader, \
                target.makefile('wb', 0) as writer:
            shutil.copyfileobj(reader, writer, 65536)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == '__main__':
    # The program that started it is gone: so is its reason to be.
    if os.environ.get('RELAY_DIES_WITH_STDIN'):
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)),
                         daemon=True).start()
    main(*sys.argv[1:])
