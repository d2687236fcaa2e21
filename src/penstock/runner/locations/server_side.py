"""Copies within S3 that obstore cannot make: between buckets, and of more than 5 GB.

S3 copies up to 5 GB in one request (CopyObject) and more in parts (UploadPartCopy). Made with
botocore, which is an extra; without it such objects go through the runner.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from penstock.runner.errors import LocationError, TaskFailed
from penstock.runner.locations.protocol import Tick
from penstock.runner.locations.uris import Location, uri_of

LARGEST_COPY_BYTES = 5 * 1024**3
"""Size above which S3 copies an object only in parts."""

PART_BYTES = 512 * 1024**2
"""Size of a part: 10,000 of them are more than the 5 TB that an object may have."""

_PARTS_AT_ONCE = 8
_KEPT = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentType", "Metadata")


class ServerSideCopy:
    """Copies S3 objects by the service itself. Safe to use from several threads."""

    def __init__(
        self,
        make_client: Callable[[], Any],
        largest_bytes: int = LARGEST_COPY_BYTES,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._make_client = make_client
        self._largest_bytes = largest_bytes
        self._part_bytes = part_bytes

    def __call__(
        self, source: Location, target: Location, size: int, tick: Tick, encrypt: bool
    ) -> bool:
        """Copy one object; False if there is no botocore. Raises `LocationError`."""
        try:
            client = self._make_client()
        except TaskFailed:
            return False
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            self._copy(client, source, target, size, tick, encrypt)
        except (BotoCoreError, ClientError) as error:
            text = str(error).splitlines()[0][:400]
            raise LocationError(f"{uri_of(source)} to {uri_of(target)}: {text}") from error
        return True

    def _copy(
        self, client: Any, source: Location, target: Location, size: int, tick: Tick, encrypt: bool
    ) -> None:
        place = {"Bucket": target.container, "Key": target.path}
        origin = {"CopySource": {"Bucket": source.container, "Key": source.path}}
        encryption = {"ServerSideEncryption": "AES256"} if encrypt else {}
        if size <= self._largest_bytes:
            client.copy_object(**place, **origin, **encryption)
            tick(size)
            return
        about = client.head_object(Bucket=source.container, Key=source.path)
        # A copy in parts starts as an empty object: what is said about the source is not copied.
        kept = {key: about[key] for key in _KEPT if about.get(key)}
        upload = client.create_multipart_upload(**place, **encryption, **kept)
        parts = {**place, "UploadId": upload["UploadId"]}
        try:
            done = self._copy_parts(
                client, {**parts, **origin, "CopySourceIfMatch": about["ETag"]}, size, tick
            )
            client.complete_multipart_upload(**parts, MultipartUpload={"Parts": done})
        except BaseException:
            client.abort_multipart_upload(**parts)
            raise

    def _copy_parts(
        self, client: Any, request: dict[str, Any], size: int, tick: Tick
    ) -> list[dict[str, Any]]:
        def copy(number: int, start: int, end: int) -> tuple[int, str, int]:
            answer = client.upload_part_copy(
                **request, PartNumber=number, CopySourceRange=f"bytes={start}-{end - 1}"
            )
            return number, answer["CopyPartResult"]["ETag"], end - start

        step = self._part_bytes
        done = []
        with ThreadPoolExecutor(_PARTS_AT_ONCE, "copy") as pool:
            futures = [
                pool.submit(copy, number, start, min(start + step, size))
                for number, start in enumerate(range(0, size, step), start=1)
            ]
            try:
                for future in as_completed(futures):
                    number, etag, count = future.result()
                    done.append({"PartNumber": number, "ETag": etag})
                    tick(count)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return sorted(done, key=lambda part: part["PartNumber"])
