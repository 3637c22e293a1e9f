#!/usr/bin/env python3
"""doctor's report on a config, with the records read by Apache Beam.

    beam_scan.py PIPELINE_CONFIG [--json] [--scratch DIRECTORY] [options of the Beam runner]

Without options Beam's local runner reads the records, in this machine's processes. Elsewhere its
workers need graphfix, and see the records and the scratch directory under the same paths as this
machine: `pip install '.[beam]'`.

The exit code is doctor's: 0 if the config will train.
"""

import argparse
import copy
import pickle
import sys
import tempfile
import uuid

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

import graphfix


class Merge(beam.CombineFn):
    """The scan of a data set, from those of its files."""

    def create_accumulator(self):
        return None

    def add_input(self, merged, scan):
        # Beam's own elements must stay as they are; what is merged may change.
        return copy.deepcopy(scan) if merged is None else merged.merge(scan)

    def merge_accumulators(self, parts):
        merged = None
        for part in parts:
            if part is not None:
                merged = part if merged is None else merged.merge(part)
        return merged

    def extract_output(self, merged):
        return merged


def write(scan, path):
    with FileSystems.create(path) as file:
        file.write(pickle.dumps(scan))


def by_beam(scratch, options):
    """A `mapper` for graphfix.diagnose."""

    def mapper(scan_shard, shards):
        path = FileSystems.join(scratch, uuid.uuid4().hex)
        with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            _ = (
                pipeline
                | "files" >> beam.Create([pickle.dumps(shard) for shard in shards])
                | "spread" >> beam.Reshuffle()
                | "scan" >> beam.Map(lambda shard: scan_shard(pickle.loads(shard)))
                | "merge" >> beam.CombineGlobally(Merge()).without_defaults()
                | "write" >> beam.Map(write, path)
            )
        with FileSystems.open(path) as file:
            return [pickle.loads(file.read())]

    return mapper


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", metavar="PIPELINE_CONFIG")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--scratch", metavar="DIRECTORY", help="for the scan, which a worker writes"
    )
    args, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as here:
        mapper = by_beam(args.scratch or here, options)
        found = graphfix.diagnose(args.config, mapper=mapper)
    print(found.to_json() if args.json else "\n".join(found.to_lines()))
    return 0 if found.trains else 1


if __name__ == "__main__":
    sys.exit(main())
