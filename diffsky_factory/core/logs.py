"""What the package says of its work: the logger `diffsky_factory`, and its records as lines of JSON in a file."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from diffsky_factory.core.user_files import user_path

LOGGER = "diffsky_factory"
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a record: time (UTC), level, event, and what the record has besides."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = {name: value for name, value in record.__dict__.items() if name not in _USUAL}
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage(), **said}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to(path: str | Path, level: int = logging.INFO) -> logging.Handler:
    """Append the records of the package to a file, as JSON lines; returns the handler, with which logging can be ended.

    Raises OSError where the file cannot be written.
    """
    handler = logging.FileHandler(user_path(path))
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(LOGGER)
    logger.setLevel(min(level, logger.level or level))
    logger.addHandler(handler)
    return handler
