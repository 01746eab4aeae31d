"""Make sure that one Milvus partition exists, in a process of its own that needs pymilvus alone."""

import argparse
import base64
import json
import logging
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

EXIT_EXISTS, EXIT_FAILED, EXIT_USAGE, EXIT_ABSENT = 0, 1, 2, 3
EXIT_CODES = {"created": EXIT_EXISTS, "already_exists": EXIT_EXISTS, "exists": EXIT_EXISTS}
EXIT_CODES |= {"absent": EXIT_ABSENT, "failed": EXIT_FAILED}

# Milvus' own rule. Checked here because Milvus Lite makes a folder of any name, also of `../../x`.
PARTITION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
MAX_MESSAGE = 500
KNOWN_TO_ALL = frozenset({"Milvus", "postgres"})
MAX_TIMEOUT_S = 86_400.0

# The variables for TLS to Milvus, and pymilvus's names for them.
TLS_ARGUMENTS = {
    "MILVUS_CA_CERT": "ca_pem_path",
    "MILVUS_CLIENT_CERT": "client_pem_path",
    "MILVUS_CLIENT_KEY": "client_key_path",
    "MILVUS_SERVER_NAME": "server_name",
}
TLS_FILES = ("MILVUS_CA_CERT", "MILVUS_CLIENT_CERT", "MILVUS_CLIENT_KEY")
# Each needs the other. pymilvus ignores a client certificate without a CA's.
TLS_NEEDS = (
    ("MILVUS_CLIENT_CERT", "MILVUS_CLIENT_KEY"),
    ("MILVUS_CLIENT_KEY", "MILVUS_CLIENT_CERT"),
    ("MILVUS_CLIENT_CERT", "MILVUS_CA_CERT"),
)
# What gRPC says of a connection that failed in TLS, and what it means.
TLS_FAULTS = (
    (r"certificate_verify_failed", "the server's certificate is not trusted, see MILVUS_CA_CERT"),
    (
        r"hostname verification check failed",
        "the server's certificate is for another name, see MILVUS_SERVER_NAME",
    ),
    (
        r"tsi_data_corrupted|alert_\w*(certificate|unknown_ca)|http2 header with status: 400",
        "the server refused the connection; it may want a client certificate, "
        "see MILVUS_CLIENT_CERT",
    ),
    (r"wrong_version_number", "the server speaks no TLS at this port"),
    (r"expected settings frame", "the server may speak TLS at this port: write https://"),
)

CONNECT_FAILED = 2
PARTITION_NOT_FOUND = 200
STATUS_CAUSES = {
    "DEADLINE_EXCEEDED": "timeout",
    "UNAVAILABLE": "milvus_unreachable",
    "CANCELLED": "milvus_unreachable",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
}
# The server's codes 1 (Lite) and 65535 (standalone) are generic, so most rules read the text.
ANSWER_CAUSES: tuple[tuple[str, frozenset[int], str], ...] = (
    ("capacity", frozenset(), r"partition.*exceed|general capacity"),
    ("partition_key_mode", frozenset(), r"partition[ _]key"),
    ("rate_limited", frozenset({8, 9}), r"rate ?limit|quota exceeded"),
    ("invalid_name", frozenset(), r"invalid partition name"),
    (
        "collection_missing",
        frozenset({100}),
        r"collection not found|can't find collection|collection .*does not exist"
        r"|invalid collection name",
    ),
    ("auth", frozenset({1400, 1401}), r"auth check failure|permission deny|not authenticated"),
    (
        "milvus_unreachable",
        frozenset({CONNECT_FAILED}),
        r"not ready|service unavailable|closed channel",
    ),
    ("timeout", frozenset(), r"deadline exceeded|timed? ?out"),
)
# What an error can mean of a call about one partition alone.
OF_A_PARTITION = frozenset({"capacity", "partition_key_mode", "invalid_name"})


Answer = dict[str, Any]
T = TypeVar("T")
# Gives the seconds left, above zero, or raises.
SecondsLeft = Callable[[], float]


class Failed(Exception):
    """The partition is not proven to exist; `cause` is one of the product's codes."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class OverrunError(Exception):
    """The call did not end in time; it may still be running in its thread."""


class Deadline:
    """A common deadline for several steps, also of a library that may overrun its own time-out."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds left, above zero.

        Raises:
            OverrunError: when none are left.
        """
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise OverrunError
        return left_s

    def run(self, work: Callable[[], T]) -> T:
        """What the work returns or raises, before the deadline.

        Raises:
            OverrunError: at the deadline; the work goes on in a thread that is not awaited.
        """
        outcome: Future[T] = Future()
        threading.Thread(target=_settle, args=(outcome, work), daemon=True).start()
        left_s = self.left_s()
        try:
            return outcome.result(left_s)
        except TimeoutError as error:
            if outcome.done():
                raise
            raise OverrunError from error


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to the waiting thread as it is
        outcome.set_exception(error)


def is_partition_name(name: str) -> bool:
    """Whether Milvus allows the name."""
    return PARTITION_NAME.fullmatch(name) is not None


def unusable_uri(uri: str) -> str | None:
    """The fault of an address, without repeating it; None where there is none."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https", "tcp"):
        return "must begin with http://, https:// or tcp://"
    if "@" in parts.netloc:
        return "must not hold credentials; set MILVUS_TOKEN"
    if not host or port == 0 or re.search(r"[\s\x00-\x1f]", uri):
        return "must name a host, and a port from 1 to 65535 if any"
    # pymilvus takes such an address for a local file, and starts a server on it.
    return "must be a server's address, not a file" if uri.endswith(".db") else None


def unusable_tls(tls: Mapping[str, str], uri: str) -> tuple[str, str] | None:
    """The variable for TLS that cannot be used, and its fault; None without one.

    The fault repeats no value: a key may stand in the place of its file.
    """
    if tls and urlsplit(uri).scheme != "https":
        return next(iter(tls)), "needs TLS: the address of Milvus must begin with https://"
    for name, other in TLS_NEEDS:
        if name in tls and other not in tls:
            return name, f"needs {other} too"
    for name in TLS_FILES:
        if name in tls and (fault := _unreadable(tls[name])):
            return name, fault
    return _unusable_pem(tls) if tls else None


def _unreadable(path: str) -> str | None:
    try:
        with Path(path).open("rb"):
            return None
    except ValueError:
        return "is no path of a file"
    except OSError as error:
        return f"names a file that cannot be read: {error.strerror}"


def _unusable_pem(tls: Mapping[str, str]) -> tuple[str, str] | None:
    # Takes 20 ms, which most calls of the script need not spend.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    name, fault = "MILVUS_CA_CERT", "names a file without a certificate in PEM"
    try:
        if "MILVUS_CA_CERT" in tls:
            context.load_verify_locations(tls["MILVUS_CA_CERT"])
        name, fault = "MILVUS_CLIENT_CERT", "and MILVUS_CLIENT_KEY must name one pair in PEM"
        if "MILVUS_CLIENT_CERT" in tls:
            pair = tls["MILVUS_CLIENT_CERT"], tls["MILVUS_CLIENT_KEY"]
            context.load_cert_chain(*pair, password=_refuse_to_ask)
    except ssl.SSLError:
        return name, fault
    except EOFError:
        return "MILVUS_CLIENT_KEY", "is encrypted; decrypt it with: openssl pkey -in OLD -out NEW"
    return None


def _refuse_to_ask() -> NoReturn:
    """Stands in for OpenSSL's question on the terminal."""
    raise EOFError


def tls_arguments(tls: Mapping[str, str]) -> dict[str, str]:
    """The arguments of a `MilvusClient`. Its file of CAs has another name without a client's."""
    arguments = {TLS_ARGUMENTS[name]: value for name, value in tls.items()}
    if "client_pem_path" not in arguments and "ca_pem_path" in arguments:
        arguments["server_pem_path"] = arguments.pop("ca_pem_path")
    return arguments


def diagnose(error: BaseException, secret: str = "") -> tuple[str, str]:
    """The product's code for an error of pymilvus or gRPC, and its message without the secret.

    Reads attributes instead of types, so that neither library need be imported.
    """
    cause = error.cause if isinstance(error, Failed) else _cause_of(error)
    text = _text_of(error)
    faults = (fault for pattern, fault in TLS_FAULTS if re.search(pattern, text.lower()))
    return cause, redact(": ".join((*[*faults][:1], text)), secret)


def redact(text: str, secret: str) -> str:
    """The text on one line of bounded length, without the secret or an address's credentials."""
    text = re.sub(r"//[^/@\s]*@", "//***@", mask(text, (secret,)))
    return " ".join(text.split())[:MAX_MESSAGE]


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, in each form in which a server or a library repeats them.

    The password of `user:password` is masked alone, too. Secrets of fewer than four characters and
    the default ones stay: masking them would hide ordinary words.
    """
    return _pattern(tuple(secrets)).sub("***", text)


@cache
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    parts = {part for secret in secrets for part in (secret, secret.partition(":")[2])}
    forms = {form for part in parts - KNOWN_TO_ALL if len(part) > 3 for form in _forms(part)}
    # The longest first, so that a part of a secret does not match before it.
    return re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))) or r"(?!)")


def _forms(secret: str) -> Iterator[str]:
    escaped = json.dumps(secret)[1:-1]
    yield from (secret, escaped, json.dumps(escaped)[1:-1], repr(secret)[1:-1], escape(secret))
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield re.sub("%..", lambda code: code[0].lower(), quoted)
    raw = secret.encode(errors="surrogateescape")
    yield from (raw.hex(), raw.hex().upper())
    # gRPC sends the credential in base64. Inside of longer text it has three forms, whose ends
    # depend on the neighbouring bytes.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        sure = encoded[math.ceil(before * 8 / 6) : (before + len(raw)) * 8 // 6]
        yield from (sure, sure.replace("+", "-").replace("/", "_"))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes. pymilvus raises errors `from` themselves, hence the set."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _code(error: BaseException) -> Any:
    code = getattr(error, "code", None)
    return code() if callable(code) else code


def _status(error: BaseException) -> str | None:
    """The name of gRPC's status, where the error or a cause has one."""
    for link in _chain(error):
        code = _code(link)
        if type(code).__name__ == "StatusCode":
            return str(code.name)
    return None


def _cause_of(error: BaseException) -> str:
    code, status = _code(error), _status(error)
    cause = STATUS_CAUSES.get(status or "")
    if code == CONNECT_FAILED and cause != "auth":
        # Nothing was asked of the server yet.
        return "milvus_unreachable"
    if cause is not None:
        return cause
    text = _text_of(error).lower()
    # A code first: the text may repeat a collection's name, which may say anything.
    known = [cause for cause, codes, _ in ANSWER_CAUSES if code in codes]
    known += [cause for cause, _, pattern in ANSWER_CAUSES if re.search(pattern, text)]
    return next(iter(known), "unexpected")


def _text_of(error: BaseException) -> str:
    texts = []
    for link in _chain(error):
        details = getattr(link, "details", None)
        text = details() if callable(details) else getattr(link, "message", None) or str(link)
        if text and text not in texts:
            texts.append(str(text))
    return ": ".join(texts) or type(error).__name__


def about_collection(ask: Callable[[], T]) -> T:
    """What the call about a whole collection returns.

    Raises:
        Exception: of the call, or Failed where its text speaks of one partition: that is true of
            no tenant, and nothing would show that it is over.
    """
    try:
        return ask()
    except Exception as error:
        if _cause_of(error) not in OF_A_PARTITION:
            raise
        raise Failed("unexpected", _text_of(error)) from None


def is_duplicate(error: BaseException, partition: str) -> bool:
    """Whether the error says that the partition exists: Milvus Lite's message is its name."""
    message = str(getattr(error, "message", "") or "")
    return message == partition or "already exist" in message


def is_lite(client: Any, left_s: SecondsLeft) -> bool:
    return str(client.get_server_version(timeout=left_s())).startswith("milvus_lite")


def count_rows(client: Any, collection: str, partition: str, left_s: SecondsLeft) -> int:
    """Rows of the partition, 0 for a missing one.

    A loaded partition is counted by query. The statistics of another cover flushed rows alone,
    deleted ones among them, so 0 is returned only after a flush.

    Raises:
        Exception: of pymilvus or gRPC, or of `left_s` when no time is left.
    """
    try:
        # Milvus Lite counts the whole collection for any partition; its statistics are exact.
        lite = is_lite(client, left_s)
        if not lite and is_loaded(client, collection, partition, left_s):
            return count_loaded(client, collection, [partition], left_s)
        known = count_flushed(client, collection, partition, left_s)
        if known == 0 and not lite:
            client.flush(collection, timeout=left_s(), retry_on_rate_limit=False)
            known = count_flushed(client, collection, partition, left_s)
    except Exception as error:
        if not is_missing(error):
            raise
        return 0
    return known


def count_loaded(
    client: Any,
    collection: str,
    partitions: list[str],
    left_s: SecondsLeft,
    consistency: str = "Strong",
) -> int:
    """Rows of loaded partitions together."""
    answer = client.query(
        collection,
        filter="",
        output_fields=["count(*)"],
        partition_names=partitions,
        consistency_level=consistency,
        timeout=left_s(),
    )
    return int(answer[0]["count(*)"])


def count_flushed(client: Any, collection: str, partition: str, left_s: SecondsLeft) -> int:
    """Rows of the partition by its statistics."""
    answer = client.get_partition_stats(collection, partition, timeout=left_s())
    return int(answer["row_count"])


def is_loaded(client: Any, collection: str, partition: str, left_s: SecondsLeft) -> bool:
    """Whether the partition can be queried."""
    state = client.get_load_state(collection, partition_name=partition, timeout=left_s())
    return bool(state["state"].name == "Loaded")


def is_missing(error: Exception) -> bool:
    """Whether the error says that the partition does not exist."""
    return getattr(error, "code", None) == PARTITION_NOT_FOUND


class Work:
    """Lists, creates and lists again, all before one deadline."""

    def __init__(self, collection: str, partition: str, timeout_s: float) -> None:
        self.collection = collection
        self.partition = partition
        self.timeout_s = timeout_s
        self.deadline = Deadline(timeout_s)
        self.client: Any = None

    def run(self, connect: Callable[[float], Any], check: bool) -> Answer:
        """The result, before the deadline even where pymilvus hangs.

        A partition that existed has `rows`, None where they cannot be counted.

        Raises:
            Exception: of pymilvus or gRPC, or Failed at the deadline.
        """
        try:
            return self.deadline.run(lambda: self._run(connect, check))
        except OverrunError:
            cause = "milvus_unreachable" if self.client is None else "timeout"
            raise Failed(cause, f"no answer within {self.timeout_s:g} s") from None

    def _run(self, connect: Callable[[float], Any], check: bool) -> Answer:
        self.client = connect(self.deadline.left_s())
        return self._check() if check else self._ensure()

    def _check(self) -> Answer:
        if self._exists():
            return {"result": "exists", "rows": self._rows()}
        return {"result": "absent"}

    def _ensure(self) -> Answer:
        if self._exists():
            return {"result": "already_exists", "rows": self._rows()}
        refusal = self._create()
        if self._exists():
            return {"result": "created"}
        raise refusal or Failed("unexpected", "Milvus answered success but does not list it")

    def _exists(self) -> bool:
        left_s = self.deadline.left_s
        names = about_collection(
            lambda: self.client.list_partitions(self.collection, timeout=left_s())
        )
        return self.partition in names

    def _rows(self) -> int | None:
        # The rest of the time is for the answer itself.
        counting = Deadline(0.8 * self.deadline.left_s())
        try:
            return count_rows(self.client, self.collection, self.partition, counting.left_s)
        except Exception:  # noqa: BLE001 - pymilvus raises gRPC's errors, too
            return None

    def _create(self) -> Exception | None:
        """The error of the creation, which is no proof: the caller lists again."""
        try:
            self.client.create_partition(
                self.collection,
                self.partition,
                timeout=self.deadline.left_s(),
                retry_on_rate_limit=False,
            )
        except Exception as error:  # noqa: BLE001 - pymilvus raises gRPC's errors, too
            return error
        return None


def silence_grpc() -> None:
    """Before its import: it writes what its errors say, past every log, for each connection."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def load_pymilvus() -> Any:
    """The module, kept from reading addresses of its own and from writing to our streams.

    Raises:
        Exception: whatever the import raises.
    """
    # The import of pymilvus parses MILVUS_URI, fails with one that it does not like, and reads the
    # first `.env` above its own folder. The address is known already.
    for name in ("MILVUS_URI", "MILVUS_DEFAULT_CONNECTION", "MILVUS_CONN_TIMEOUT"):
        os.environ.pop(name, None)
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    silence_grpc()
    import pymilvus

    # It logs every refusal with a traceback; our answer has the message.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
    return pymilvus


def ensure(args: argparse.Namespace, token: str) -> Answer:
    """The answer to be printed. Never raises."""
    answer = {"collection": args.collection, "partition": args.partition}
    if not is_partition_name(args.partition):
        message = "letters, digits and _ only, the first no digit, 255 at most"
        return {**answer, "result": "failed", "cause": "invalid_name", "message": message}
    try:
        milvus = load_pymilvus()
        work = Work(args.collection, args.partition, args.timeout)

        def connect(timeout_s: float) -> Any:
            return milvus.MilvusClient(
                args.uri,
                token=token,
                timeout=timeout_s,
                dedicated=True,
                **tls_arguments(args.tls),
            )

        return {**answer, **work.run(connect, args.check)}
    except BaseException as error:  # noqa: BLE001 - the outer edge: every failure is an answer
        cause, message = diagnose(error, token)
        return {**answer, "result": "failed", "cause": cause, "message": message}


class Parser(argparse.ArgumentParser):
    """Repeats no argument: it may be a credential in the wrong place."""

    def error(self, message: str) -> NoReturn:
        """Print the usage, and exit with code 2."""
        self.exit(EXIT_USAGE, f"{self.format_usage()}{self.prog}: error: {message}\n")


def parse(argv: list[str], env: Mapping[str, str]) -> argparse.Namespace:
    """The command line, completed from the environment, where an empty variable counts as unset.

    TLS has variables alone, as the credential has.

    Raises:
        SystemExit: 2, when either is unusable; the message names the flag or the variable.
    """
    parser = Parser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--collection", required=True)
    parser.add_argument("--partition", required=True)
    parser.add_argument("--check", action="store_true", help="ask only, create nothing")
    parser.add_argument("--timeout", help="seconds for all calls (MILVUS_TIMEOUT, 10)")
    parser.add_argument("--uri", help="address (MILVUS_URI, or MILVUS_HOST and MILVUS_PORT)")
    args, rest = parser.parse_known_args(argv)
    if rest:
        parser.error("an argument is not known")
    if not args.collection:
        parser.error("--collection must not be empty")
    args.timeout = _timeout(parser, args.timeout, env)
    is_named = bool(args.uri)
    args.uri = _uri(parser, args.uri, env)
    args.tls = {name: env[name] for name in TLS_ARGUMENTS if env.get(name)}
    if problem := unusable_tls(args.tls, args.uri):
        parser.error(" ".join(problem))
    if not is_named:
        _say_which(args.uri)
    return args


def _say_which(uri: str) -> None:
    """Print the server on stderr: the default may be the wrong one."""
    address = urlsplit(uri)._replace(path="", query="", fragment="").geturl()
    if sys.stderr:
        with suppress(OSError):
            print(f"Asking {address}; --uri names another server.", file=sys.stderr, flush=True)


def _timeout(parser: Parser, given: str | None, env: Mapping[str, str]) -> float:
    name, text = "--timeout", given
    if text is None:
        name, text = "MILVUS_TIMEOUT", env.get("MILVUS_TIMEOUT") or "10"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_TIMEOUT_S:
        parser.error(f"{name} must be a number of seconds, above 0 and at most {MAX_TIMEOUT_S:g}")
    return seconds


def _uri(parser: Parser, given: str | None, env: Mapping[str, str]) -> str:
    name, uri = "--uri", given
    if not uri:
        name, uri = "MILVUS_URI", env.get("MILVUS_URI")
    if not uri:
        name, uri = "MILVUS_HOST", _uri_of_host(parser, env)
    problem = unusable_uri(uri)
    if problem:
        parser.error(f"{name} {problem}")
    return uri


def _uri_of_host(parser: Parser, env: Mapping[str, str]) -> str:
    host, port = env.get("MILVUS_HOST") or "127.0.0.1", env.get("MILVUS_PORT") or "19530"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        parser.error("MILVUS_PORT must be a number from 1 to 65535")
    if not re.fullmatch(r"[\w.:-]+", host):
        parser.error("MILVUS_HOST must be a host's name or address")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def main() -> int:
    """Print the one line of the answer, and return the exit code."""
    token = os.environ.get("MILVUS_TOKEN") or ""
    args = parse(sys.argv[1:], os.environ)
    answer = ensure(args, token)
    try:
        print(json.dumps(answer), flush=True)
    except OSError:
        return EXIT_FAILED
    return EXIT_CODES[answer["result"]]


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = EXIT_FAILED
    # A call that outlived the deadline may still run in its thread: exit without waiting for it.
    os._exit(code)
