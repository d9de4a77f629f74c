"""What was made lately and may be wanted again: kept up to so many bytes, made once however many threads ask."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

import numpy as np


class Recent:
    """Values by key, the least lately used dropped first when they hold more bytes than allowed."""

    def __init__(self, most_bytes: float):
        self.most_bytes = most_bytes
        self._lock = Lock()
        self._making: dict[Hashable, Lock] = {}
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of a key, a NamedTuple of arrays and plain values; made if it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            own = self._making.setdefault(key, Lock())
        with own:  # the others that want it wait; those that want something else do not
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            value = make()
            with self._lock:
                self._kept[key] = value
                self._making.pop(key, None)
                while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > self.most_bytes:
                    self._kept.popitem(last=False)
            return value


def _bytes(value: Any) -> int:
    return sum(part.nbytes for part in value if isinstance(part, np.ndarray))
