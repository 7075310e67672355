"""The public names of `raylane`, as type checkers see them."""

from raylane.given_files import new_upload as new_upload
from raylane.handle import JobHandle as JobHandle
from raylane.history import HistoryEntry as HistoryEntry
from raylane.operator import Requeued as Requeued
from raylane.options import JobOptions as JobOptions
from raylane.options import new_job as new_job
from raylane.producer import Producer as Producer
from raylane.transfer.progress import DownloadProgress as DownloadProgress
from raylane.transfer.progress import UploadProgress as UploadProgress
from raylane_common.errors import CatalogError as CatalogError
from raylane_common.errors import DependencyFailed as DependencyFailed
from raylane_common.errors import ErrorInfo as ErrorInfo
from raylane_common.errors import GenerationError as GenerationError
from raylane_common.errors import InvalidRequest as InvalidRequest
from raylane_common.errors import JobCancelled as JobCancelled
from raylane_common.errors import JobError as JobError
from raylane_common.errors import JobExpired as JobExpired
from raylane_common.errors import JobIdTaken as JobIdTaken
from raylane_common.errors import JobNotFound as JobNotFound
from raylane_common.errors import JobNotRequeued as JobNotRequeued
from raylane_common.errors import JobTimeout as JobTimeout
from raylane_common.errors import NoSources as NoSources
from raylane_common.errors import NotUnderstood as NotUnderstood
from raylane_common.errors import QueueError as QueueError
from raylane_common.errors import QueueUnavailable as QueueUnavailable
from raylane_common.errors import RayError as RayError
from raylane_common.errors import RaylaneError as RaylaneError
from raylane_common.errors import RunFailed as RunFailed
from raylane_common.errors import SourceError as SourceError
from raylane_common.errors import StorageError as StorageError
from raylane_common.errors import WaitTimeout as WaitTimeout
from raylane_common.errors import WorkerLost as WorkerLost
from raylane_common.ray.models import Run as Run
from raylane_common.ray.models import RunStatus as RunStatus
from raylane_common.settings import Settings as Settings
from raylane_common.wire.answer import Answer as Answer
from raylane_common.wire.answer import AnswerChart as AnswerChart
from raylane_common.wire.answer import AnswerColumn as AnswerColumn
from raylane_common.wire.answer import AnswerFile as AnswerFile
from raylane_common.wire.answer import AnswerTable as AnswerTable
from raylane_common.wire.answer import AnswerValue as AnswerValue
from raylane_common.wire.answer import CellType as CellType
from raylane_common.wire.answer import ChartKind as ChartKind
from raylane_common.wire.answer import OpaqueItem as OpaqueItem
from raylane_common.wire.checks import Check as Check
from raylane_common.wire.checks import CheckState as CheckState
from raylane_common.wire.generate import *
from raylane_common.wire.jobs import Attempt as Attempt
from raylane_common.wire.jobs import ClusterRuns as ClusterRuns
from raylane_common.wire.jobs import EndedJobs as EndedJobs
from raylane_common.wire.jobs import Enqueued as Enqueued
from raylane_common.wire.jobs import EventType as EventType
from raylane_common.wire.jobs import JobEvent as JobEvent
from raylane_common.wire.jobs import JobList as JobList
from raylane_common.wire.jobs import JobRecord as JobRecord
from raylane_common.wire.jobs import JobStatus as JobStatus
from raylane_common.wire.jobs import JobSummary as JobSummary
from raylane_common.wire.jobs import LaneOverview as LaneOverview
from raylane_common.wire.jobs import LaneWorkers as LaneWorkers
from raylane_common.wire.jobs import NewJob as NewJob
from raylane_common.wire.jobs import Priority as Priority
from raylane_common.wire.jobs import Progress as Progress
from raylane_common.wire.jobs import WorkerAbout as WorkerAbout
from raylane_common.wire.jobs import WorkerOverview as WorkerOverview
from raylane_common.wire.kinds import *
from raylane_common.wire.ray import *
from raylane_common.wire.sources import Column as Column
from raylane_common.wire.sources import ColumnType as ColumnType
from raylane_common.wire.sources import FileSource as FileSource
from raylane_common.wire.sources import OpaqueSource as OpaqueSource
from raylane_common.wire.sources import TableFormat as TableFormat
from raylane_common.wire.sources import TableSource as TableSource
from raylane_common.wire.tables import *
from raylane_common.wire.upload import *

__version__: str
__all__: list[str]
