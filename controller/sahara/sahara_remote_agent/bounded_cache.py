"""Values that are dear to get; the one used longest ago goes first."""

import collections


class BoundedCache:
    def __init__(self, limit, dispose=lambda value: None):
        self._limit = limit
        self._dispose = dispose
        self._values = collections.OrderedDict()

    def get(self, key, make):
        """The value of ``key``; ``make`` makes it when there is none. Two
        green threads may both make it, and one of the two is kept."""
        if key not in self._values:
            value = make()
            if key in self._values:
                self._dispose(value)
            else:
                self._values[key] = value
        self._values.move_to_end(key)
        kept = self._values[key]
        while len(self._values) > self._limit:
            self._dispose(self._values.popitem(last=False)[1])
        return kept

    def remove(self, key):
        """True when there was one."""
        if key not in self._values:
            return False
        self._dispose(self._values.pop(key))
        return True
