"""Connections to the controller that are kept and lent out, one borrower each.

Made for Sahara's engine: eventlet has patched ``socket``, and the worker
forks after the driver was set up. So nothing is opened before it is needed,
a connection is never shared by two green threads, and a forked child never
uses its parent's.
"""

import collections
import contextlib
import http.client
import os
import socket
import ssl
import time
import urllib.parse

# The controller closes idle connections after some time; younger ones are
# worth trying.
IDLE_LIMIT_SECONDS = 30
KEPT_CONNECTIONS = 64
_LOOPBACK = frozenset(('localhost', '127.0.0.1', '::1'))


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__('controller')
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def unix_connector(path):
    """A function that makes connections to a Unix socket."""
    return lambda: UnixConnection(path)


def url_connector(url, ca_file=None):
    """A function that makes connections to an ``http`` or ``https`` URL
    without a path."""
    parts = urllib.parse.urlsplit(url)
    if parts.path.strip('/'):
        raise ValueError('controller_url must not have a path')
    if parts.scheme == 'http' and parts.hostname not in _LOOPBACK:
        raise ValueError('controller_url must be https, but on this machine: '
                         'the token would cross the network readable')
    if parts.scheme == 'http':
        return lambda: http.client.HTTPConnection(parts.hostname, parts.port)

    made = []

    def connect():
        # Once: reading the certificates takes longer than a call.
        if not made:
            made.append(ssl.create_default_context(cafile=ca_file))
        return http.client.HTTPSConnection(parts.hostname, parts.port,
                                           context=made[0])
    return connect


class ConnectionPool:
    """Lends connections; the one used last is lent first."""

    def __init__(self, connector):
        self._connector = connector
        self._idle = collections.deque()
        self._pid = os.getpid()

    @contextlib.contextmanager
    def borrow(self, timeout, fresh=False):
        """Lends a connection whose reads and writes wait ``timeout`` seconds.

        It comes back only when the ``with`` block has said
        ``connection.is_reusable = True``: otherwise (an ``eventlet.Timeout``
        was raised, say) half an answer may still be on its way, and the next
        borrower must not get it.
        """
        connection = None if fresh else self._take_idle()
        if connection is None:
            connection = self._connector()
            connection.was_used = False
        connection.is_reusable = False
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        try:
            yield connection
        finally:
            if connection.is_reusable:
                self._keep(connection)
            else:
                connection.close()

    def _take_idle(self):
        self._forget_after_fork()
        while self._idle:
            connection, since = self._idle.pop()
            if time.monotonic() - since < IDLE_LIMIT_SECONDS:
                return connection
            connection.close()
        return None

    def _keep(self, connection):
        self._forget_after_fork()
        connection.was_used = True
        self._idle.append((connection, time.monotonic()))
        if len(self._idle) > KEPT_CONNECTIONS:
            self._idle.popleft()[0].close()

    def _forget_after_fork(self):
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._idle.clear()
