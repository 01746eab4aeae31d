"""Clients who lose their connection and repeat, and clients who change their mind."""

import secrets
from concurrent.futures import ThreadPoolExecutor

from tests.chaos.clients import ApiClient, create_and_delete, new_name
from tests.chaos.faults.fault import Fault, point
from tests.chaos.promises import Answer, Creation, Promises
from tests.chaos.target import Target
from tests.engines.proxy import Mode

REPEATS = 20
DELETIONS = 5


def _repeat_after_a_cut(target: Target, promises: Promises) -> None:
    """The answer is cut off, so the client asks again, 20 times at once, under its key."""
    name, key = new_name(), secrets.token_hex(8)
    _post_and_be_cut_off(target, name, key)
    clients = [ApiClient(target.product.url, target.product.token) for _ in range(REPEATS)]
    with ThreadPoolExecutor(REPEATS) as callers:
        answers = list(callers.map(lambda client: client.create(name, key), clients))
    for client in clients:
        client.close()
    for answer in _different(answers):
        promises.note(answer)


def _post_and_be_cut_off(target: Target, name: str, key: str) -> None:
    client = ApiClient(f"http://127.0.0.1:{target.front.port}", target.product.token)
    target.front.switch(Mode.CUT)
    try:
        cut = client.create(name, key)
    finally:
        target.front.switch(Mode.PASS)
        client.close()
    assert cut.answer is Answer.UNKNOWN, cut


def _different(answers: list[Creation]) -> list[Creation]:
    """One answer for each tenant that was named; with the key honoured it is one."""
    acknowledged = {answer.tenant_id: answer for answer in answers if answer.tenant_id}
    return list(acknowledged.values()) or answers[:1]


def _delete_during_provisioning(target: Target, promises: Promises) -> None:
    create_and_delete(target.product, promises, DELETIONS, lambda: None)


REPEATED = Fault("client cut off, repeating 20 times", point(_repeat_after_a_cut))
FAULTS = [Fault("deletion during provisioning", point(_delete_during_provisioning)), REPEATED]
