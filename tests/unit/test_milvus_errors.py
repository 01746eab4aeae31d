"""Which cause an error of Milvus shows: messages as real servers have sent them."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymilvus import MilvusException

from create_milvus_partition import MAX_MESSAGE, about_collection, diagnose, redact, unusable_uri
from webapp.models.causes import Cause


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (65535, "partition number (16) exceeds max configuration (16), collection: c", "capacity"),
        (65535, "number of partitions (1024) exceeds max configuration", "capacity"),
        (65535, "exceeding the max general capacity:65536", "capacity"),
        (65535, "disable create partition if partition key mode is used", "partition_key_mode"),
        (6, "cannot create manual partitions when partition key is set", "partition_key_mode"),
        (100, "collection not found[database=default][collection=c]", "collection_missing"),
        (100, "collection 'c' does not exist", "collection_missing"),
        # The code counts for more than a collection's name.
        (100, "collection 'docs_partition_key' does not exist", "collection_missing"),
        (8, "request is rejected by the limiter", "rate_limited"),
        (65535, "rate limit exceeded[rate=1]", "rate_limited"),
        (65535, "Invalid partition name: a-b.", "invalid_name"),
        (65535, "PrivilegeCreatePartition: permission deny to bob", "auth"),
        (2, "Fail connecting to server on h:1", "milvus_unreachable"),
        (65535, "context deadline exceeded", "timeout"),
        (65535, "etcdserver: request is odd", "unexpected"),
        (1, "", "unexpected"),
        (grpc.StatusCode.UNAVAILABLE, "Retry timeout: 2s", "milvus_unreachable"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Retry timeout: 2s", "timeout"),
    ],
)
def test_cause_is_read_when_milvus_refuses(code: int, message: str, cause: str) -> None:
    assert diagnose(MilvusException(code, message))[0] == cause
    assert cause in set(Cause)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Invalid collection name: invalid partition name", "unexpected"),
        ("exceeding the max general capacity:65536", "unexpected"),
        ("disable if partition key mode is used", "unexpected"),
        ("PrivilegeShowPartitions: permission deny to bob", "auth"),
    ],
)
def test_error_about_a_collection_shows_no_cause_of_one_partition(message: str, cause: str) -> None:
    def refuse() -> None:
        raise MilvusException(65535, message)

    with pytest.raises(Exception, match=message) as refusal:
        about_collection(refuse)
    assert diagnose(refusal.value) == (cause, message)


@given(st.text())
def test_missing_collection_is_told_whatever_its_name(name: str) -> None:
    error = MilvusException(100, f"collection not found[database=default][collection={name}]")
    assert diagnose(error)[0] == "collection_missing"


@pytest.mark.parametrize(
    ("details", "meaning"),
    [
        # An nginx with ssl_verify_client.
        ("Received http2 header with status: 400", "see MILVUS_CLIENT_CERT"),
        ("SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA", "see MILVUS_CLIENT_CERT"),
        ("SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "speaks no TLS at this port"),
        ("Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame", "write https://"),
    ],
)
def test_the_message_begins_with_what_it_means_when_tls_failed(details: str, meaning: str) -> None:
    cause, message = diagnose(MilvusException(2, f"Fail connecting to server on h:1: {details}"))
    assert cause == Cause.MILVUS_UNREACHABLE
    assert meaning in message.partition(": Fail")[0]
    assert details in message


def test_secret_is_hidden_when_message_repeats_it() -> None:
    shown = redact("root:s3cret at https://u:p@host said s3cret", "root:s3cret")
    assert shown == "*** at https://***@host said ***"


def test_message_is_trimmed_when_long() -> None:
    assert len(redact("x" * 5000, "")) == MAX_MESSAGE


@pytest.mark.parametrize("uri", ["http://h", "https://h.cloud:443", "tcp://1.2.3.4:19530"])
def test_address_is_usable_when_it_names_a_server(uri: str) -> None:
    assert unusable_uri(uri) is None
