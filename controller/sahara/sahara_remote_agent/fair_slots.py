"""Bounds how many calls are under way, and lets no cluster starve another.

A slot that becomes free goes to the cluster whose turn it is, and there to
the call that has waited longest. A waiting call costs one small object.
"""

import collections
import contextlib
import threading


class FairSlots:
    """``total`` slots, of which one cluster holds at most ``per_cluster``."""

    def __init__(self, total, per_cluster):
        self._free = total
        self._per_cluster = per_cluster
        self._held = collections.Counter()
        # Clusters with waiting calls; the first is the one whose turn it is.
        self._waiting = collections.OrderedDict()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def slot(self, cluster, deadline):
        """Holds a slot for the ``with`` block; yields False, and holds none,
        when there was none until the deadline."""
        waiter = _Waiter()
        with self._lock:
            self._waiting.setdefault(cluster, collections.deque()).append(
                waiter)
            self._hand_out()
        try:
            waiter.granted.wait(deadline.remaining())
            yield waiter.granted.is_set()
        finally:
            with self._lock:
                if waiter.granted.is_set():
                    self._take_back(cluster)
                else:
                    self._forget(cluster, waiter)

    def _hand_out(self):
        """Gives free slots to those whose turn it is, one per cluster and
        round."""
        skipped = 0
        while self._free and skipped < len(self._waiting):
            cluster = next(iter(self._waiting))
            self._waiting.move_to_end(cluster)
            if self._held[cluster] >= self._per_cluster:
                skipped += 1
                continue
            skipped = 0
            self._free -= 1
            self._held[cluster] += 1
            waiters = self._waiting[cluster]
            waiters.popleft().granted.set()
            if not waiters:
                del self._waiting[cluster]

    def _take_back(self, cluster):
        self._free += 1
        self._held[cluster] -= 1
        if not self._held[cluster]:
            del self._held[cluster]
        self._hand_out()

    def _forget(self, cluster, waiter):
        waiters = self._waiting[cluster]
        waiters.remove(waiter)
        if not waiters:
            del self._waiting[cluster]


class _Waiter:
    def __init__(self):
        self.granted = threading.Event()
