"""`GET|POST /settings` and `POST /settings/restore-defaults`: the addresses of Ray and the bucket, at run time.

See docs/decisions/0045.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, Gateway, GatewayDep
from raylane.gateway.original._addresses import address_of, shown
from raylane.gateway.original._answers import TAG, OriginalRoute, failures
from raylane_common.errors import InvalidRequest
from raylane_common.redis.settings_store import check

if TYPE_CHECKING:
    from collections.abc import Mapping

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures())

# The original app's web page sends them with every change.
_WITHOUT_MEANING: Final = frozenset(
    {
        *("ray_gateway_url", "ray_supervisor_arn", "global_code_gen_agent_arn", "spark_s3_bucket"),
        *("spark_lambda_function", "spark_emr_application_id", "spark_bedrock_region", "spark_max_retries"),
        *("spark_file_size_threshold_mb", "spark_result_preview_rows", "spark_presigned_url_expiry_hours"),
        *("spark_lambda_timeout_seconds", "spark_emr_timeout_minutes", "spark_supervisor_arn"),
    }
)
_CHANGEABLE: Final = ("ray_private_ip", "ray_public_ip", "s3_bucket")
# How the fields of each group of `GET /settings` begin in a change.
_PREFIX_OF: Final = {"ray_cluster": "ray_", "s3": "s3_", "global": "global_", "spark": "spark_", "ray": "ray_"}


class RayAddresses(BaseModel):
    """The addresses of the cluster: a host, or a URL if it is not `http://HOST:8265`. Empty: not set."""

    private_ip: str
    public_ip: str


class Bucket(BaseModel):
    """The bucket of all sessions."""

    bucket: str


class GlobalSettings(BaseModel):
    """The model that writes code; empty if templates do. Only the environment can change it."""

    bedrock_model: str
    bedrock_region: str
    code_gen_agent_arn: Literal[""] = ""


class RaySettings(BaseModel):
    """The original app's own services, which do not exist here."""

    gateway_url: Literal[""] = ""
    supervisor_arn: Literal[""] = ""


class SettingsAnswer(BaseModel):
    """What was set at run time, else what the environment of the gateway says. There is no Spark."""

    ray_cluster: RayAddresses
    s3: Bucket
    everywhere: GlobalSettings = Field(serialization_alias="global")
    spark: dict[str, str] = {}
    ray: RaySettings = RaySettings()


class SettingsBody(BaseModel):
    """The settings to change. A field that is absent, or as `GET /settings` shows it, changes nothing.

    The groups of `GET /settings` are taken, too.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    ray_private_ip: str | None = None
    ray_public_ip: str | None = None
    s3_bucket: str | None = None
    global_bedrock_model: str | None = None
    global_bedrock_region: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_groups(cls, body: object) -> object:
        """Gives the fields in groups the names that they have without. Unknown ones stay: `s3.bucket`."""
        if not isinstance(body, dict):
            return body
        flat = {name: value for name, value in body.items() if not _is_group(name, value)}
        for group in body.keys() - flat.keys():
            for field, value in body[group].items():
                path, name = f"{group}.{field}", _PREFIX_OF[group] + field
                if name not in cls.model_fields:
                    flat[path] = value
                elif name in flat:
                    raise InvalidRequest.field(path, f"is there twice, as {name}")
                elif not isinstance(value, str | None):
                    raise InvalidRequest.field(path, "must be text")
                else:
                    flat[name] = value
        return flat

    def ignored(self) -> list[str]:
        """Returns the fields without meaning here. Raises `InvalidRequest` if one is unknown, and there is no other."""
        ignored = sorted(self.model_extra or ())
        unknown = [name for name in ignored if name.replace(".", "_") not in _WITHOUT_MEANING]
        if unknown and len(unknown) == len(self.model_fields_set):
            raise InvalidRequest.field(unknown[0], f"is no setting; {', '.join(_CHANGEABLE)} can change")
        return ignored


def _is_group(name: str, value: object) -> bool:
    return name in _PREFIX_OF and isinstance(value, dict)


class Updated(BaseModel):
    """What happened. `ignored` are the fields of the request that have no meaning here, or are unknown."""

    success: Literal[True] = True
    message: str = "Settings updated successfully"
    ignored: list[str] = []


class Restored(BaseModel):
    """Nothing is set at run time any more: workers use their environment."""

    success: Literal[True] = True
    message: Literal["Settings restored to defaults"] = "Settings restored to defaults"


@router.get("/settings", name="original_get_settings")
async def get_settings(gateway: GatewayDep, caller: CallerDep) -> SettingsAnswer:
    """Returns the addresses of Ray, the bucket and the model."""
    caller.require(Right.OPERATE, None)
    return _answer(gateway, await gateway.producer.settings.all())


@router.post("/settings", name="original_update_settings", responses=failures(415))
async def update_settings(
    gateway: GatewayDep, caller: CallerDep, body: Annotated[SettingsBody, Depends(JsonBody(SettingsBody))]
) -> Updated:
    """Changes the addresses of Ray and the bucket while workers run: all that the request names, or none."""
    caller.require(Right.OPERATE, None)
    ignored, at_run_time = body.ignored(), await gateway.producer.settings.all()
    changes = _changes(body, _answer(gateway, at_run_time), at_run_time)
    for name, value in changes.items():
        check(gateway.settings, name, value)
    for name, value in changes.items():
        if value is None:
            await gateway.producer.settings.unset(name)
        else:
            await gateway.producer.settings.set(name, value)
    return Updated(ignored=ignored)


@router.post("/settings/restore-defaults", name="original_restore_defaults")
async def restore_defaults(gateway: GatewayDep, caller: CallerDep) -> Restored:
    """Removes everything that was set at run time."""
    caller.require(Right.OPERATE, None)
    for name in await gateway.producer.settings.all():
        await gateway.producer.settings.unset(name)
    return Restored()


def _answer(gateway: Gateway, at_run_time: Mapping[str, str]) -> SettingsAnswer:
    own, addressed = gateway.settings, any(name in at_run_time for name in ("ray.private_url", "ray.public_url"))
    # As workers do: an address set at run time replaces the list of endpoints.
    listed = () if addressed else own.ray.endpoints
    private_url = at_run_time.get("ray.private_url", own.ray.private_url) or (listed[0].url if listed else None)
    public_url = at_run_time.get("ray.public_url", own.ray.public_url) or (listed[1].url if listed[1:] else None)
    return SettingsAnswer(
        ray_cluster=RayAddresses(private_ip=shown(private_url), public_ip=shown(public_url)),
        s3=Bucket(bucket=at_run_time.get("storage.bucket", own.storage.bucket)),
        everywhere=GlobalSettings(
            bedrock_model=own.generation.model or "",
            bedrock_region=own.generation.model_region or own.aws.region or "",
        ),
    )


def _changes(body: SettingsBody, now: SettingsAnswer, at_run_time: Mapping[str, str]) -> dict[str, str | None]:
    """Returns the new values by the name of the setting; None: unset. Raises `InvalidRequest` for what is fixed."""
    for field, wanted, current in (
        ("global_bedrock_model", body.global_bedrock_model, now.everywhere.bedrock_model),
        ("global_bedrock_region", body.global_bedrock_region, now.everywhere.bedrock_region),
    ):
        if wanted not in (None, current):
            problem = "cannot change at run time; set RAYLANE_GENERATION__MODEL and __MODEL_REGION of the workers"
            raise InvalidRequest.field(field, problem)
    changes: dict[str, str | None] = {}
    for field, name, wanted, current in (
        ("ray_private_ip", "ray.private_url", body.ray_private_ip, now.ray_cluster.private_ip),
        ("ray_public_ip", "ray.public_url", body.ray_public_ip, now.ray_cluster.public_ip),
        ("s3_bucket", "storage.bucket", body.s3_bucket, now.s3.bucket),
    ):
        if wanted is None or wanted == current:
            continue
        if wanted == "" and name not in at_run_time:
            raise InvalidRequest.field(field, "cannot be empty, because the environment of the workers sets it")
        value = wanted if name == "storage.bucket" or not wanted else address_of(wanted)
        changes[name] = value or None
    return changes
