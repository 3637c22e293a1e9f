"""What a graph would do besides computing, if it were run: touch files, the network or a program.

graphfix itself never runs a graph, but whoever detects with one does, and so does the stock API for
`verify --stock`.  An operation is found by its name alone (TensorFlow 1.15's registered
operations, and contrib's), wherever it stands: also in a branch that is never taken, and in the
functions of the graph's library.  `effects` warns of what is known to do more than compute;
`check_computes`, before a graph is run, takes only what is known to do no more (computing.txt).
"""

import collections
import os
from typing import Any, Dict, FrozenSet, Iterator, List, Tuple

from graphfix.errors import SourceError
from graphfix.findings import WARNING, Finding

# What it does -> the operations that do it.
EFFECTS = (
    (
        "reads files",
        (
            "ReadFile",
            "MatchingFiles",
            "Restore",
            "RestoreSlice",
            "RestoreV2",
            "LoadAndRemapMatrix",
            "GenerateVocabRemapping",
            "ImmutableConst",
            "InitializeTableFromTextFile",
            "InitializeTableFromTextFileV2",
            "FixedUnigramCandidateSampler",
            "Skipgram",
            "RecordInput",
            "DecodeProtoV2",
            "EncodeProto",
            "FixedLengthRecordReader",
            "FixedLengthRecordReaderV2",
            "IdentityReader",
            "IdentityReaderV2",
            "LMDBReader",
            "TFRecordReader",
            "TFRecordReaderV2",
            "TextLineReader",
            "TextLineReaderV2",
            "WholeFileReader",
            "WholeFileReaderV2",
            "ReaderRead",
            "ReaderReadV2",
            "ReaderReadUpTo",
            "ReaderReadUpToV2",
            "CSVDataset",
            "ExperimentalCSVDataset",
            "FixedLengthRecordDataset",
            "FixedLengthRecordDatasetV2",
            "LMDBDataset",
            "ExperimentalLMDBDataset",
            "MatchingFilesDataset",
            "ExperimentalMatchingFilesDataset",
            "SqlDataset",
            "ExperimentalSqlDataset",
            "TFRecordDataset",
            "TextLineDataset",
        ),
    ),
    (
        "writes files",
        (
            "WriteFile",
            "Save",
            "SaveSlices",
            "SaveV2",
            "ShardedFilename",
            "ShardedFilespec",
            "MergeV2Checkpoints",
            "DatasetToTFRecord",
            "ExperimentalDatasetToTFRecord",
            "CacheDataset",
            "CacheDatasetV2",
            "SnapshotDataset",
            "CreateSummaryFileWriter",
            "CreateSummaryDbWriter",
            "PrintV2",
            "DebugIdentity",
            "DebugNanCount",
            "DebugNumericSummary",
        ),
    ),
    ("writes to the log", ("Print",)),
    (
        "uses the network",
        (
            "Rpc",
            "TryRpc",
            "RemoteCall",
            "RemoteFusedGraphExecute",
            "Send",
            "Recv",
            "_Send",
            "_Recv",
            "_HostSend",
            "_HostRecv",
            "CollectiveBcastRecv",
            "CollectiveBcastSend",
            "CollectiveGather",
            "CollectivePermute",
            "CollectiveReduce",
            "BigQueryReader",
            "GenerateBigQueryReaderPartitions",
            "BigtableClient",
            "KafkaDataset",
            "KinesisDataset",
            "GcsConfigureBlockCache",
            "GcsConfigureCredentials",
            "ConfigureDistributedTPU",
        ),
    ),
    ("runs Python code", ("PyFunc", "PyFuncStateless", "EagerPyFunc")),
    ("runs another program", ("DecodeAudio", "DecodeAudioV2", "DecodeVideo", "EncodeAudio")),
)
_OF = {operation: effect for effect, operations in EFFECTS for operation in operations}
_SHOWN = 3


def effects(graph_def: Any, subject: str) -> Tuple[Finding, ...]:
    """A finding for each kind of effect that the nodes of a GraphDef, or of a Graph, have, naming
    the first few."""
    found: Dict[str, List[str]] = collections.OrderedDict()
    for node, where in _nodes(graph_def):
        if node.op in _OF:
            found.setdefault(_OF[node.op], []).append(f"{node.op} '{node.name}'{where}")
    return tuple(
        Finding(
            "GRAPH_EFFECT",
            WARNING,
            subject,
            f"{effect} when it is run: {', '.join(names[:_SHOWN])}{_more(names)}",
            "run it only if you trust where it is from; a detector's graph needs none of these",
        )
        for effect, names in found.items()
    )


def check_computes(graph_def: Any, subject: str) -> None:
    """Raises SourceError where a graph has an operation that is not known to do nothing but
    compute, naming the first few."""
    allowed = computing()
    names = [
        f"{node.op} '{node.name}'{where} ({_OF.get(node.op, 'not known')})"
        for node, where in _nodes(graph_def)
        if node.op not in allowed
    ]
    if names:
        raise SourceError(
            subject,
            f"would do more than compute if it were run: {', '.join(names[:_SHOWN])}{_more(names)}",
            "pass --allow_effects if you know where it is from, and trust it",
        )


def computing() -> FrozenSet[str]:
    """The operations that do nothing but compute."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "computing.txt")
    with open(path, encoding="ascii") as file:
        return frozenset(name for line in file if not line.startswith("#") for name in line.split())


def _nodes(graph_def: Any) -> Iterator[Tuple[Any, str]]:
    """Every node, and words for where it is."""
    for node in graph_def.node:
        yield node, ""
    for function in graph_def.library.function:
        for node in function.node_def:
            yield node, " of a function"


def _more(names: List[str]) -> str:
    return f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
