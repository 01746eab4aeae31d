"""Runs commands of `flask` in this process, for a product of the tests."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result
from flask import Flask

from jobs.cli.partitions import partitions, worker
from tests.factories import Product
from webapp.cli.config import config_command
from webapp.cli.doctor import doctor_command
from webapp.cli.tenants import tenants_cli
from webapp.logs import configure_logging

Run = Callable[..., Result]


def runner(product: Product) -> Run:
    app = Flask("commands")
    app.extensions |= {"settings": product.settings, "services": product.services}
    app.extensions["database"] = product.database
    for command in (partitions, tenants_cli, config_command, doctor_command, worker):
        app.cli.add_command(command)

    def run(*arguments: str) -> Result:
        result = app.test_cli_runner().invoke(args=list(arguments))
        # The runner's streams are closed; later lines must not go there.
        configure_logging(product.settings, "stderr")
        return result

    return run


def answer(result: Result) -> Any:
    """The JSON on stdout, which must hold nothing else."""
    return json.loads(result.stdout)
