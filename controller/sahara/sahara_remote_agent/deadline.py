"""A moment by which a call must be over, on the clock that nobody sets."""

import time


class Deadline:
    """``timeout`` seconds from now."""

    def __init__(self, timeout):
        self.timeout = timeout
        self._end = time.monotonic() + timeout

    def remaining(self):
        """Seconds left; 0 when it is over."""
        return max(0.0, self._end - time.monotonic())

    def is_over(self):
        return self.remaining() <= 0
