"""Structured logging: one JSON object a line on stdout, with the ids of the current work."""

import logging
import logging.config
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from webapp.logs.repeats import Repeats
from webapp.outages import sentence
from webapp.settings import Settings

Logger = structlog.stdlib.BoundLogger


def _drop_empty_fields(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: value for key, value in event.items() if value is not None}


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    _drop_empty_fields,
]


def configure_logging(settings: Settings, stream: str | Path = "stdout") -> None:
    """Send this process's logs to `stream`: `stdout` for servers, `stderr` for commands, a file."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(logging_config(settings, stream))
    sys.excepthook = _print_masked(settings)


def _print_masked(settings: Settings) -> Callable[[Any, BaseException, Any], None]:
    """Prints what ends a process: one line for an outage, whose traceback is logged at DEBUG."""

    def print_masked(_kind: Any, error: BaseException, _trace: Any) -> None:
        if line := sentence(error, settings):
            get_logger(__name__).debug("process.ended", exc_info=error)
            sys.stderr.write(f"{line}\n")
            return
        sys.stderr.write(settings.mask("".join(traceback.format_exception(error))))

    return print_masked


def logging_config(settings: Settings, stream: str | Path = "stdout") -> dict[str, Any]:
    """The `logging.config.dictConfig` of every process, libraries' loggers included."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_renderers(settings),
                ],
                "foreign_pre_chain": [structlog.stdlib.add_logger_name, *SHARED],
            }
        },
        "filters": {"repeats": {"()": Repeats}, "steps": {"()": lambda: _is_step}},
        "handlers": {
            "stream": {
                **_place(stream),
                "filters": ["repeats"],
                "formatter": "structured",
            }
        },
        "root": {"handlers": ["stream"], "level": settings.log_level},
        "loggers": {
            # Without handlers of their own, which would write a second, unstructured line.
            **{
                name: {"handlers": [], "propagate": True}
                for name in ("gunicorn.error", "gunicorn.access", "alembic")
            },
            # Names each of its plugins when a process imports it.
            "alembic.runtime.plugins": {"level": "WARNING"},
            "alembic.runtime.migration": {"filters": ["steps"]},
            "rq.worker": {"handlers": [], "propagate": True, "level": _rq_level(settings)},
        },
    }


def _is_step(record: logging.LogRecord) -> bool:
    """Whether it tells of a migration; Alembic says at each start that it would run some."""
    return record.levelno > logging.INFO or record.getMessage().startswith("Running ")


def _place(stream: str | Path) -> dict[str, Any]:
    if isinstance(stream, str):
        return {"class": "logging.StreamHandler", "stream": f"ext://sys.{stream}"}
    rotating = "logging.handlers.RotatingFileHandler"
    return {"class": rotating, "filename": stream, "maxBytes": 10_000_000, "backupCount": 3}


def _rq_level(settings: Settings) -> str:
    """RQ logs four lines a job at INFO, beside ours, and more while it is idle."""
    return "WARNING" if settings.log_level == "INFO" else settings.log_level


def _renderers(settings: Settings) -> list[Processor]:
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    if settings.log_format == "console":
        render = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return [structlog.processors.format_exc_info, _mask_with(settings), render]


def _mask_with(settings: Settings) -> Processor:
    """Masks all fields: no line holds a secret, even where a library or a server repeats one."""

    def mask(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {name: mask(each) for name, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [mask(each) for each in value]
        return settings.mask(str(value))

    def mask_fields(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {name: mask(value) for name, value in event.items()}

    return mask_fields


def get_logger(name: str) -> Logger:
    """A logger whose first argument is the event's dotted name, further ones its fields.

    The field `repeats` is not written: lines of one event that have the same are one failure, which
    is logged once and then counted (`webapp.logs.repeats`).
    """
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger
