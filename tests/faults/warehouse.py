"""The AWS side of one test: a bucket for uploads, and a database with tables to select."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Self

from tests.helpers.aws import glue, own_bucket, s3

TABLES = ("orders", "customers", "visits")


@dataclass(frozen=True)
class Warehouse:
    """A bucket for uploads, and a database with tables to select."""

    url: str
    bucket: str
    database: str

    @classmethod
    async def build(cls, url: str) -> Self:
        built = cls(url, own_bucket().bucket, f"db_{uuid.uuid4().hex}")
        async with s3(url) as client:
            await client.create_bucket(Bucket=built.bucket)
        async with glue(url) as catalog:
            await catalog.create_database(DatabaseInput={"Name": built.database})
            for name in TABLES:
                await catalog.create_table(
                    DatabaseName=built.database,
                    TableInput={
                        "Name": name,
                        "Parameters": {"classification": "parquet"},
                        "StorageDescriptor": {
                            "Location": f"s3://lake/{name}/",
                            "Columns": [{"Name": "id", "Type": "int"}],
                        },
                    },
                )
        return built

    async def objects(self) -> dict[str, bytes]:
        """Returns all objects in the bucket by key, without what runs wrote."""
        async with s3(self.url) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            found = [entry["Key"] async for page in pages for entry in page.get("Contents", ())]
            found = [key for key in found if "/runs/" not in key]
            return {key: await (await client.get_object(Bucket=self.bucket, Key=key))["Body"].read() for key in found}
