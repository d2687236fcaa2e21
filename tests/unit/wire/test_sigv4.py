"""Ours against botocore's signer, both ways, and every refusal with its code and text."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from penstock.model.errors import (
    ApiError,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthentication,
)
from penstock.wire import sigv4
from penstock.wire.sigv4 import Credentials

NOW = 1_351_468_800_000
STAMP = "20121029T000000Z"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET)
BODY = b'{"workerGroup": "a"}'
HEADERS = {
    "host": "localhost:8780",
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "DataPipeline.PollForTask",
}


def boto_signed(
    monkeypatch: pytest.MonkeyPatch,
    url: str = "http://localhost:8780/",
    headers: dict[str, str] = HEADERS,
    body: bytes = BODY,
    token: str | None = None,
    region: str = "eu-west-1",
) -> dict[str, str]:
    """The headers that botocore sends; its clock stands at NOW."""
    moment = datetime.fromtimestamp(NOW / 1000, tz=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: moment)
    request = AWSRequest("POST", url, headers=dict(headers), data=body)
    SigV4Auth(BotoCredentials("AKIDEXAMPLE", SECRET, token), "datapipeline", region).add_auth(
        request
    )
    return dict(request.headers.items())


def pairs(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as the server hands them over."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def verify(
    received: list[tuple[bytes, bytes]],
    path: bytes = b"/",
    query: bytes = b"",
    body: bytes = BODY,
    now: int = NOW,
) -> sigv4.Claim:
    headers = sigv4.header_map(received)
    claim = sigv4.read_claim(headers, now)
    sigv4.check(claim, SECRET, "POST", path, query, headers, body)
    return claim


def ours(**changes: str) -> dict[str, str]:
    signed = sigv4.sign("POST", "/", "", HEADERS, BODY, CREDENTIALS, "us-east-1", NOW)
    return {**signed, **changes}


def refused(received: list[tuple[bytes, bytes]], now: int = NOW, body: bytes = BODY) -> ApiError:
    with pytest.raises(ApiError) as caught:
        verify(received, now=now, body=body)
    return caught.value


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/", ""),
        ("/a/b", ""),
        ("/a/b/", ""),
        ("/a/../b/./c", ""),
        ("//a//b", ""),
        ("/..", ""),
        ("/a%20b", ""),
        ("/%E2%98%83~-._", ""),
        ("/", "b=2&a=1"),
        ("/", "a=2&a=1&a"),
        ("/", "a=%20x%2Fy&~-._=%E2%98%83"),
        ("/", "A=1&a=2&B=3"),
    ],
)
def test_botocore_and_we_agree_on_paths_and_queries(
    monkeypatch: pytest.MonkeyPatch, path: str, query: str
) -> None:
    url = f"http://localhost:8780{path}" + (f"?{query}" if query else "")
    theirs = boto_signed(monkeypatch, url=url, region="us-east-1")
    mine = sigv4.sign("POST", path, query, HEADERS, BODY, CREDENTIALS, "us-east-1", NOW)
    assert mine["authorization"] == theirs["Authorization"]
    verify(pairs(theirs), path.encode(), query.encode())


@pytest.mark.parametrize("body", [b"", b"{}", "é☃".encode(), bytes(range(256)) * 1000])
def test_any_body_is_signed(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    verify(pairs(boto_signed(monkeypatch, body=body)), body=body)


@pytest.mark.parametrize("value", [" padded  within ", "a\tb", "é", "a,b", ""])
def test_header_values_are_trimmed_and_their_blanks_collapsed(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    verify(pairs(boto_signed(monkeypatch, headers={**HEADERS, "x-amz-extra": value})))


def test_a_repeated_header_counts_as_one_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = boto_signed(monkeypatch, headers={**HEADERS, "x-amz-extra": "one,two"})
    received = [pair for pair in pairs(signed) if pair[0] != b"x-amz-extra"]
    verify([*received, (b"x-amz-extra", b"one"), (b"x-amz-extra", b"two")])


def test_the_order_of_headers_and_of_the_members_does_not_matter() -> None:
    signed = ours()
    algorithm, *members = signed["authorization"].replace(",", "").split(" ")
    signed["authorization"] = f"{algorithm} {','.join(reversed(members))}"
    verify(list(reversed(pairs(signed))))


def test_header_names_in_the_list_may_be_in_any_order_and_case() -> None:
    signed = ours()
    names = "content-type;host;x-amz-date;x-amz-target"
    signed["authorization"] = signed["authorization"].replace(
        names, "X-Amz-Target;Host;x-amz-date;content-type"
    )
    verify(pairs(signed))


def test_what_is_not_signed_may_change_on_the_way() -> None:
    verify([*pairs(ours()), (b"user-agent", b"a proxy"), (b"connection", b"close")])


def test_the_claim_tells_the_key_and_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = verify(pairs(boto_signed(monkeypatch, token="a-session-token")))
    assert (claim.access_key_id, claim.session_token) == ("AKIDEXAMPLE", "a-session-token")
    assert claim.scope.region == "eu-west-1"


def test_our_client_half_sends_a_token_as_botocore_does(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials("AKIDEXAMPLE", SECRET, "a-session-token")
    mine = sigv4.sign("POST", "/", "", HEADERS, BODY, credentials, "eu-west-1", NOW)
    theirs = boto_signed(monkeypatch, token="a-session-token")
    assert mine["authorization"] == theirs["Authorization"]
    assert mine["x-amz-security-token"] == "a-session-token"


def test_the_date_header_serves_where_there_is_no_x_amz_date() -> None:
    scope = f"{STAMP[:8]}/us-east-1/datapipeline/aws4_request"
    received = [(b"host", b"h"), (b"date", b"Mon, 29 Oct 2012 00:00:00 GMT")]
    canonical = (
        "POST\n/\n\ndate:Mon, 29 Oct 2012 00:00:00 GMT\nhost:h\n\ndate;host\n"
        + sigv4.sha256(BODY).hexdigest()
    )
    to_sign = "\n".join(
        [sigv4.ALGORITHM, STAMP, scope, sigv4.sha256(canonical.encode()).hexdigest()]
    )
    key = sigv4.signing_key(SECRET, STAMP[:8], "us-east-1")
    signature = sigv4.hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope},SignedHeaders=date;host,"
        f"Signature={signature}"
    )
    verify([*received, (b"authorization", authorization.encode())])


def test_no_authorization() -> None:
    received = [pair for pair in pairs(ours()) if pair[0] != b"authorization"]
    error = refused(received)
    assert isinstance(error, MissingAuthentication)
    assert str(error) == "Missing Authentication Token"


@pytest.mark.parametrize(
    ("authorization", "text"),
    [
        ("Basic dXNlcjpwYXNz", "Unsupported AWS 'algorithm': 'Basic'."),
        ("AWS4-HMAC-SHA256 Credential=a", "requires 'Signature' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a", "requires 'SignedHeaders' parameter."),
        ("AWS4-HMAC-SHA256 Signature=secret-signature", "requires 'Credential' parameter."),
        ("AWS4-HMAC-SHA256", "requires 'Credential' parameter."),
        ("AWS4-HMAC-SHA256 nonsense", "'nonsense' not a valid key=value pair"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1",
            "Credential must have exactly 5 slash-delimited elements",
        ),
        ("AWS4-HMAC-SHA256 " + "x" * 60_000, "not a valid key=value pair"),
        ("AWS4-HMAC-SHA256 Credential=\xff\x00", "requires 'Signature' parameter."),
    ],
)
def test_an_authorization_that_cannot_be_parsed(authorization: str, text: str) -> None:
    received = [pair for pair in pairs(ours()) if pair[0] != b"authorization"]
    error = refused([*received, (b"authorization", authorization.encode("latin-1"))])
    assert isinstance(error, IncompleteSignature)
    assert text in str(error)
    assert "secret-signature" not in str(error)
    assert len(str(error)) < 2_000


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "/datapipeline/",
            "/s3/",
            "Credential should be scoped to correct service: 'datapipeline'.",
        ),
        ("aws4_request", "aws5", "scoped with a valid terminator: 'aws4_request', not 'aws5'"),
        ("host;", "", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
        ("/20121029/", "/2012102/", "must be YYYYMMDD"),
        ("/20121029/", "/20121028/", "'20121028' != '20121029', from '20121029T000000Z'."),
        ("host;", "host;x-amz-other;", "'x-amz-other' is a 'SignedHeader'"),
        ("/us-east-1/", "/us-east-2/", "does not match the signature you provided"),
        ("x-amz-date;", "", "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization."),
        (";x-amz-target", "", "'x-amz-target' must be a 'SignedHeader'"),
    ],
)
def test_a_scope_that_is_not_ours(old: str, new: str, text: str) -> None:
    signed = ours()
    assert old in signed["authorization"]
    signed["authorization"] = signed["authorization"].replace(old, new)
    error = refused(pairs(signed))
    assert isinstance(error, InvalidSignature)
    assert text in str(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"x-amz-target": "DataPipeline.DeletePipeline"},
        {"host": "elsewhere"},
        {"content-type": "text/plain"},
        {"x-amz-date": "20121029T000001Z"},
    ],
)
def test_a_changed_header_is_noticed(changes: dict[str, str]) -> None:
    error = refused(pairs(ours(**changes)))
    assert isinstance(error, InvalidSignature)
    assert "The Canonical String for this request should have been\n'POST\n/\n" in str(error)
    assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n2012" in str(error)


def test_a_changed_body_is_noticed() -> None:
    assert isinstance(refused(pairs(ours()), body=BODY + b" "), InvalidSignature)


@pytest.mark.parametrize("cut", [0, 1, 63])
def test_a_cut_signature_does_not_pass(cut: int) -> None:
    signed = ours()
    head, mark, signature = signed["authorization"].rpartition("Signature=")
    error = refused(pairs({**signed, "authorization": head + mark + signature[:cut]}))
    assert isinstance(error, InvalidSignature | IncompleteSignature)


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0"])
def test_an_unsigned_payload_is_refused(payload: str) -> None:
    headers = {**HEADERS, "x-amz-content-sha256": payload}
    signed = sigv4.sign("POST", "/", "", headers, BODY, CREDENTIALS, "us-east-1", NOW)
    error = refused(pairs(signed))
    assert isinstance(error, InvalidSignature)
    assert payload in str(error)


def test_a_declared_hash_of_the_body_is_accepted() -> None:
    headers = {**HEADERS, "x-amz-content-sha256": sigv4.sha256(BODY).hexdigest()}
    verify(pairs(sigv4.sign("POST", "/", "", headers, BODY, CREDENTIALS, "us-east-1", NOW)))


@pytest.mark.parametrize("skew_ms", [-900_000, 0, 900_000])
def test_fifteen_minutes_of_skew_are_borne(skew_ms: int) -> None:
    verify(pairs(ours()), now=NOW + skew_ms)


def test_an_old_request() -> None:
    assert str(refused(pairs(ours()), now=NOW + 900_001)) == (
        "Signature expired: 20121029T000000Z is now earlier than 20121029T000000Z "
        "(20121029T001500Z - 15 min.)"
    )


def test_a_request_from_the_future() -> None:
    error = refused(pairs(ours()), now=NOW - 960_000)
    assert isinstance(error, InvalidSignature)
    assert str(error) == (
        "Signature not yet current: 20121029T000000Z is still later than 20121028T235900Z "
        "(20121028T234400Z + 15 min.)"
    )


@pytest.mark.parametrize(
    "date",
    ["yesterday", "2012-10-29T00:00:00Z", "20121329T000000Z", "20121029T000000Z" * 200, "-1"],
)
def test_a_date_that_is_none(date: str) -> None:
    error = refused(pairs(ours(**{"x-amz-date": date})))
    assert isinstance(error, IncompleteSignature)
    assert str(error).startswith("Date must be in ISO-8601 'basic format'. Got '")
    assert len(str(error)) < 500


def test_no_date_at_all() -> None:
    received = [pair for pair in pairs(ours()) if pair[0] != b"x-amz-date"]
    error = refused(received)
    assert isinstance(error, IncompleteSignature)
    assert "existence of either a 'X-Amz-Date' or a 'Date' header" in str(error)


def test_a_session_token_is_blotted_out_of_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = boto_signed(monkeypatch, token="a-session-token")
    error = refused(pairs(signed), body=b"other")
    assert "x-amz-security-token:***" in str(error)
    assert "a-session-token" not in str(error)


def test_credentials_do_not_show_their_secret() -> None:
    assert SECRET not in repr(CREDENTIALS) + str(CREDENTIALS)
