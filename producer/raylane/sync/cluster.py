"""Actions on the Ray cluster through a worker, as `producer.cluster`. `raylane.ray` is a client without workers.

Written by docs/generate_sync.py from cluster.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from raylane.cluster import ClusterActions as AsyncClusterActions
from raylane.sync.handle import JobHandle
from raylane.sync.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from raylane.options import JobOptions
    from raylane_common.wire.ray import (
        RayClusterResult,
        RayDeleteResult,
        RayEndpointsResult,
        RayLogsResult,
        RayRunResult,
        RayRunsResult,
        RayStatusResult,
        RayStopResult,
        RaySubmitResult,
    )


class ClusterActions(Twin[AsyncClusterActions]):
    """Actions on the Ray cluster, as `producer.cluster`. Each method enqueues a job, and a worker calls the cluster.

    Every method takes the options of a job (see `JobOptions`) and raises `InvalidRequest` for an invalid argument.
    """

    def status(self, **options: Unpack[JobOptions]) -> JobHandle[RayStatusResult]:
        """Asks for the cluster's version and the state of its endpoints.

        Example:
            job = producer.cluster.status()
            result = job.result(timeout_s=60)
            print(result.version, result.endpoint)
        """
        return JobHandle(self._call(self._async.status, **options), self._use)

    def endpoints(self, **options: Unpack[JobOptions]) -> JobHandle[RayEndpointsResult]:
        """Asks for the state, last error, next probe and latency of each address. Also works if the cluster is down."""
        return JobHandle(self._call(self._async.endpoints, **options), self._use)

    def cluster(self, **options: Unpack[JobOptions]) -> JobHandle[RayClusterResult]:
        """Asks for the cluster's health, its nodes and the resources in use."""
        return JobHandle(self._call(self._async.cluster, **options), self._use)

    def runs(self, *, limit: int = 100, **options: Unpack[JobOptions]) -> JobHandle[RayRunsResult]:
        """Lists up to `limit` of the cluster's runs (1 to 500), newest first."""
        return JobHandle(self._call(self._async.runs, limit=limit, **options), self._use)

    def run(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayRunResult]:
        """Asks for one run. The job fails with `RunNotFound` if the cluster does not know it."""
        return JobHandle(self._call(self._async.run, submission_id, **options), self._use)

    def submit(
        self,
        code: str,
        *,
        session_id: str | None = None,
        files: Mapping[str, str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        pip: Iterable[str] = (),
        num_cpus: float | None = None,
        memory_bytes: int | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[RaySubmitResult]:
        """Runs a Python script on the cluster and follows it until it ends. What it prints becomes events of the job.

        `code` is the script, at most 1 MiB. `files` are text files for the script's directory, by relative path, at
        most 4 MiB in total. `env_vars` are added to its environment, at most 32 KiB in total. `pip` lists requirements
        that Ray installs first. `num_cpus` and `memory_bytes` are what Ray reserves for the script itself, and not for
        the tasks that it starts; None means the worker's setting.

        With a `session_id` the job appears in that session's history, and the environment variable
        `RAYLANE_OUTPUT_URI` names the S3 prefix that the script may write to.

        Raises `InvalidRequest` for anything in `env_vars` or `pip` that looks like a credential, because Ray shows
        both. The job fails with `RunFailed` if the script fails.

        Example:
            job = producer.cluster.submit("import helper; print(helper.N)", files={"helper.py": "N = 1"})
            result = job.result(timeout_s=600)
            print(result.run.exit_code, result.run.output_tail)
        """
        return JobHandle(
            self._call(
                self._async.submit,
                code,
                session_id=session_id,
                files=files,
                env_vars=env_vars,
                pip=pip,
                num_cpus=num_cpus,
                memory_bytes=memory_bytes,
                **options,
            ),
            self._use,
        )

    def logs(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayLogsResult]:
        """Asks for the last 200 KiB of the output of a run."""
        return JobHandle(self._call(self._async.logs, submission_id, **options), self._use)

    def stop(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayStopResult]:
        """Stops a run. The job fails with `RunNotFound` if the cluster does not know it.

        Example:
            job = producer.cluster.stop("rl-44538e7ff61442bebd0a79adcb6a3911-1")
            result = job.result(timeout_s=60)
            print(result.stopped)
        """
        return JobHandle(self._call(self._async.stop, submission_id, **options), self._use)

    def delete(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayDeleteResult]:
        """Removes a run that has ended from the cluster."""
        return JobHandle(self._call(self._async.delete, submission_id, **options), self._use)
