"""What S3 and Glue share: the arguments of a client, and the time limit of a call."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from aiobotocore.config import AioConfig
from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

from raylane_worker.data.aws.errors import Service as Service
from raylane_worker.data.aws.errors import error_code as error_code
from raylane_worker.data.aws.errors import from_answer, from_client, no_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.settings import AwsSettings

# With botocore's default of 10, the jobs of one lane would wait for each other.
_POOL_CONNECTIONS: Final = 50
# Opening a client does not call the service, but fetching a role's credentials may take several tries.
OPEN_S: Final = 30.0


class ClientArguments(TypedDict):
    """The arguments of `create_client` after the service's name."""

    region_name: str | None
    endpoint_url: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    config: AioConfig


def client_arguments(
    aws: AwsSettings, addressing_style: Literal["auto", "path", "virtual"] | None = None
) -> ClientArguments:
    """Returns the settings as aiobotocore takes them.

    `addressing_style` says where a bucket's name is in a URL. By default AWS gets it as a host name, and any other
    server in the path, because most of them do not give each bucket its own host name.
    """
    return ClientArguments(
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
        config=AioConfig(
            connect_timeout=aws.connect_timeout_s,
            read_timeout=aws.read_timeout_s,
            retries={"mode": aws.retry_mode, "total_max_attempts": aws.max_tries},
            max_pool_connections=_POOL_CONNECTIONS,
            s3={"addressing_style": addressing_style or ("path" if aws.endpoint_url else "auto")},
            # Loads the service descriptions in a thread, because megabytes of JSON would block the loop.
            warm_up_loader_caches=True,
        ),
    )


def deadline_s(aws: AwsSettings, size_bytes: int = 0) -> float:
    """Returns the time limit of one operation with all its tries, in seconds, if it transfers `size_bytes`.

    It also limits the parts of an operation that have no timeout of their own.
    """
    transfer_s = size_bytes / aws.slowest_bytes_per_s
    return aws.max_tries * (aws.connect_timeout_s + aws.read_timeout_s + transfer_s)


@asynccontextmanager
async def aws_call(service: Service, action: str, limit_s: float) -> AsyncIterator[None]:
    """Turns what the AWS client raises inside the block into one of the errors of `service`.

    `action` completes "cannot …" in the message. No answer within `limit_s` seconds, a broken connection, throttling
    and 5xx become `unavailable`; everything else becomes `rejected`, or a more exact error.
    """
    try:
        async with asyncio.timeout(limit_s) as limit:
            yield
    except ClientError as error:
        raise from_answer(service, action, error) from error
    except TimeoutError as error:
        raise no_answer(service, action, error, limit_s if limit.expired() else None) from error
    # While a body is read, aiobotocore passes on what aiohttp raises.
    except (AwsConnectionError, HTTPClientError, HttpError, IncompleteReadError, ResponseParserError) as error:
        raise no_answer(service, action, error) from error
    # botocore raises a plain ValueError if the endpoint is not a URL.
    except (BotoCoreError, ValueError, RecursionError) as error:
        raise from_client(service, action, error) from error
