"""Tenants for operations on many of them, and looks at what became of them."""

import threading
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs.reconciler.bulk_loops import run_operations
from tests.factories import Product
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.operation import OperationKind
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.operations.progress import View, find
from webapp.operations.selection import Selection
from webapp.operations.service import Operations

RETRY, REQUEST = OperationKind.RETRY, OperationKind.REQUEST
DELETE, RESTORE = OperationKind.DELETE, OperationKind.RESTORE
TIMEOUTS = Selection.of_failed(Cause.TIMEOUT)


def failing(product: Product, count: int, cause: Cause = Cause.TIMEOUT) -> list[int]:
    numbers = [product.create(f"Failing {n}").id for n in range(count)]
    for number in numbers:
        product.fail(number, cause)
    return numbers


def in_threes(product: Product) -> Operations:
    """The operations of the product, three tenants a batch."""
    services = product.services
    return Operations(
        Database(product.engine), services.job_queue, services.dispatcher, services.policy, batch=3
    )


def drive(operations: Operations) -> None:
    run_operations(operations, threading.Event())


def view(product: Product, operation_id: int) -> View:
    found = product.read(find, operation_id)
    assert found is not None
    return found


def tenant_of(product: Product, number: int) -> Tenant:
    return product.read(Session.get_one, Tenant, number)


def generations(product: Product, numbers: list[int]) -> set[int]:
    return {product.row(number).generation for number in numbers}


def deleted(product: Product, count: int) -> list[int]:
    numbers = [product.create(f"Deleted {n}").id for n in range(count)]
    product.delete(*numbers, due=False)
    return numbers


def living(product: Product, count: int) -> list[int]:
    mine = [product.create(f"Living {n}").id for n in range(count - 2)]
    return [*mine, *product.imported_tenants(2, first=max(mine) + 1)]


def crowd(product: Product, count: int) -> list[int]:
    numbers = product.imported_tenants(count)
    values: dict[str, Any] = {"collection": "c", "attempts": 3, "fence": 1, "generation": 1}
    failed = {"state": "failed", "cause": "timeout", "error": "e"}
    since = dict.fromkeys(("state_since", "requested_at"), utc_now())
    product.write(update(Partition).values(**values, **failed, **since))
    return numbers
