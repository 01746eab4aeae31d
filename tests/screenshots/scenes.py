"""The conditions of the product that pictures are taken of, brought about for real."""

from pymilvus import MilvusClient

from tests.acceptance.product import Product, csrf_token
from tests.engines.process import wait_until

COLLECTION = "kb_chunks_v1"
# One attempt, quickly: a failure is there after seconds instead of minutes.
QUICK = {"PARTITION_ATTEMPTS": "1", "MILVUS_TIMEOUT": "1", "RECONCILE_INTERVAL": "600"}

CUSTOMERS = (
    *("Acme S.p.A.", "Globex", "Initech", "Umbrella Logistics", "Stark Industrie", "Wayne Foods"),
    *("Hooli", "Soylent Italia", "Vandelay Imports", "Wonka Cioccolato", "Cyberdyne", "Tyrell"),
    *("Oscorp", "Massive Dynamic", "Aperture Labs", "Black Mesa", "Nakatomi", "Gringotts"),
    *("Duff Birra", "Prestige Worldwide", "Bluth Company", "Dunder Mifflin", "Los Pollos"),
)
UPLOAD = (
    "name,slug\nKrusty Burger,krusty\nAcme S.p.A.,\n,no-name\n"
    "Moe's Tavern,Not A Slug\nKwik-E-Mart,kwik-e-mart\nStark Industrie,globex\n"
)
RESULT = '<h2 id="progress-title">Result</h2>'
# Many enough for a brake.
LOST = 15
LATE = ("Pied Piper", "Sterling Cooper", "Monsters Energia", "Oceanic Airlines", "Virtucon")


def fill(product: Product) -> dict[str, int]:
    """Tenants of all kinds that are well: ready, renamed, deleted."""
    rows = [{"name": name} for name in CUSTOMERS]
    answer = product.api("POST", "/api/tenants/bulk", json={"tenants": rows})
    numbers = [result["tenant"]["id"] for result in answer.json()["results"]]
    for number in numbers:
        product.await_state(number, "ready")
    removing = numbers[-1]
    product.api("DELETE", f"/api/tenants/{removing}")
    product.flask("partitions", "reconcile", "--once")
    return {"ready": numbers[0], "removing": removing}


def break_down(product: Product) -> dict[str, object]:
    """Failures of several causes, an orphan, and rows that may be somebody else's."""
    last = product.create("Before")["id"]
    product.await_state(last, "ready")
    client = MilvusClient(product.config["MILVUS_URI"])
    client.create_partition(COLLECTION, "tenant_4711")
    client.create_partition(COLLECTION, f"tenant_{last + 1}")
    rows = [{"text": "old", "vector": [0.1] * 1536}] * 5
    client.insert(COLLECTION, rows, partition_name=f"tenant_{last + 1}")
    client.close()
    foreign = product.create("Weyland")["id"]
    product.await_state(foreign, "failed")
    with product.frozen("milvus"):
        failed = [product.create(name)["id"] for name in LATE]
        for number in failed:
            product.await_state(number, "failed")
    product.flask("partitions", "verify", check=False)
    return {"failed": failed[0], "foreign": foreign, "collection": COLLECTION}


def mend(product: Product) -> dict[str, int]:
    """All that failed for the outage are retried, and an import with faults is looked at."""
    with product.browser() as panel:
        form = {"csrf_token": csrf_token(panel.get("/admin/partitions/?tab=causes").text)}
        late = _last_late(product)
        cause = product.tenant(late)["partition"]["cause"]
        asked = {"kind": "retry", "scope": "causes", "causes": cause}
        shown = panel.post("/admin/operations/start/", data=form | asked)
        file = {"file": ("customers.csv", UPLOAD, "text/csv")}
        looked_at = panel.post("/admin/import/check/", data=form, files=file)
        address = str(shown.url)
        wait_until(lambda: RESULT in panel.get(address).text, 60, "the retry's result")
    return {
        "operation": int(shown.url.params["id"]),
        "upload": int(looked_at.url.params["id"]),
    }


def lose(product: Product) -> dict[str, str]:
    """Many partitions are dropped in Milvus, and a brake is on."""
    client = MilvusClient(product.config["MILVUS_URI"])
    client.release_collection(COLLECTION)
    for name in client.list_partitions(COLLECTION)[1:LOST]:
        client.drop_partition(COLLECTION, name)
    client.close()
    _sweep(product)
    return {"collection": COLLECTION}


def lose_all(product: Product) -> dict[str, str]:
    """The collection is dropped, after an operator has seen that partitions are gone."""
    client = MilvusClient(product.config["MILVUS_URI"])
    client.drop_collection(COLLECTION)
    client.close()
    _sweep(product)
    product.flask("partitions", "brake", "--wait", COLLECTION, check=False)
    return {"collection": COLLECTION}


def _sweep(product: Product) -> None:
    """Exit 1: a brake is on, which is meant."""
    product.flask("partitions", "reconcile", "--once", check=False)


def _last_late(product: Product) -> int:
    found = product.api("GET", f"/api/tenants?q={LATE[-1]}").json()
    number: int = found["items"][0]["id"]
    return number
