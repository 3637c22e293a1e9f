"""The stock API's side of graphfix: `python worker.py JOB.json RESULT.json [DIRECTORY...]`.

Run by path, under the interpreter whose stock API is to judge; needs nothing of graphfix.  The
directories are those that PYTHONPATH names.  Where standard input is a socket, its other end is
held by whoever asks: when that closes, nobody wants an answer, and all of this ends.  JOB.json
holds one job or a list of jobs, RESULT.json gets one result or a list of as many, and
RESULT.json.begun a byte for each job when it begins.  A job is an object with a `verb`:

  probe        what is here: python, tensorflow, the API's revision, or why it cannot be imported
  restore      pipeline_config, trainer (model_main|legacy), checkpoint (prefix; without one the
               config's own), steps, seed, batch_size, model_dir, record, label_map
  raw_outputs  pipeline_config, checkpoint, image (.npy, uint8) or seed, output (.npz), tensors,
               moving_averages, mask_features (.npz), detections (false: the network alone)
  detect       pipeline_config, checkpoint, images (JPEG or .npy files), moving_averages; or graph
               and images: a frozen one, or one whose variables are the checkpoint's
  compare      source and outputs: each of them pipeline_config, checkpoint and moving_averages,
               or graph; images (JPEG files; without any, noise), and the heads, as
               verification/equality.py describes them
  evaluate     pipeline_config, checkpoint, label_map, record, class_ids, moving_averages
  export       pipeline_config, checkpoint, output_directory
  lite         pipeline_config, checkpoint, directory, max_detections, detections_per_class,
               use_regular_nms, quantized, model (a .tflite file to write), frozen_directory
  tf2_objects  pipeline_config: the variables of a fresh model, by their paths
  tf2_outputs  pipeline_config, checkpoint, image or seed, output (.npz), mask_features: as
               raw_outputs, by the API of TensorFlow 2
  tf2_train    pipeline_config, steps, seed, batch_size, record, label_map: model_main_tf2
  save         pipeline_config, output (prefix), seed: a checkpoint of freshly initialised weights

and, for all, `log`: the file that gets everything the stock code prints.

An exception in the stock code is a result, not a failure of the worker: it comes back as
{"error": {type, message, where}}, beside what was found before it.  Each job runs in a process
forked after the imports, which cost more than most jobs do: so jobs share no graph, flags or
patches, and even an abort inside TensorFlow is an answer to its own job only.
"""

import contextlib
import json
import os
import platform
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
import traceback

import api_revision

STILL_SECONDS = 180


def probe():
    """What this interpreter offers; the fields every other result carries as `api`."""
    found = {
        "python": platform.python_version(),
        "tensorflow": None,
        "importable": False,
        "revision": None,
        "determined_by": None,
        "why_not": None,
    }
    found.update(api_revision.importable() or {})
    try:
        import tensorflow as tf

        found["tensorflow"] = tf.__version__
        # Imports nearly all of the API, for the jobs' processes to inherit.
        import object_detection.builders.model_builder  # noqa: F401

        found["importable"] = True
    except Exception as error:  # whatever an unsuitable installation raises is the answer
        found["why_not"] = f"{type(error).__name__}: {error}"
    return found


def run(job, scratch, result):
    """Does one job; `result` is filled on the way, so that a failure leaves what came before it."""
    verb = job["verb"]
    if verb == "restore":
        import stock_train

        stock_train.restore(job, scratch, result)
    elif verb == "compare":
        import stock_compare

        stock_compare.compare(job, result)
    elif verb == "lite":
        import stock_lite

        stock_lite.export(job, result)
    elif verb.startswith("tf2_"):
        import stock_tf2

        stock_tf2.VERBS[verb](job, scratch, result)
    elif verb != "probe":
        import stock_detect

        stock_detect.VERBS[verb](job, result)


def answer(job, api):
    """`run`, with whatever the stock code raises turned into a result."""
    result = {"verb": job["verb"], "api": api}
    if not api["importable"] and job["verb"] != "probe":
        result["error"] = {"type": "ImportError", "message": api["why_not"], "where": "import"}
        return result
    scratch = tempfile.mkdtemp(prefix="graphfix-stock-")
    try:
        run(job, scratch, result)
    except Exception as error:
        traceback.print_exc()
        result["error"] = {
            "type": type(error).__name__,
            "message": str(error),
            "where": where(error.__traceback__),
        }
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def where(trace):
    """The innermost line of the stock API on a traceback, or else the innermost line."""
    frames = traceback.extract_tb(trace)
    marker = os.sep + "object_detection" + os.sep
    for frame in reversed(frames):
        if marker in frame.filename:
            path = "object_detection/" + frame.filename.rsplit(marker, 1)[1]
            return f"{path}:{frame.lineno} in {frame.name}"
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno} in {frames[-1].name}"


def forked(job, api, path):
    """`answer`, in a child whose output goes to the job's log; one that stands still is tried again
    once: sessions of TensorFlow 1.15 with queues may lock up on a busy machine."""
    for _ in range(2):
        found = in_a_child(job, api, path)
        if found is not None:
            return found
    message = f"the stock code stood still for {STILL_SECONDS} seconds, twice"
    error = {"type": "Stuck", "message": message, "where": "see the log"}
    return {"verb": job["verb"], "api": api, "error": error}


def ended(child):
    """How a child ended, None where it used no processor time for STILL_SECONDS and was killed."""
    used, since = None, time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        now = processor_time(child)
        if now is None or now != used:
            used, since = now, time.monotonic()
        elif time.monotonic() - since > STILL_SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.05)


def processor_time(process):
    """The clock ticks that a process has used, None where the system does not tell (proc(5))."""
    text = api_revision.read_text(f"/proc/{process}/stat")
    return sum(map(int, text.rpartition(")")[2].split()[11:13])) if text else None


def in_a_child(job, api, path):
    child = os.fork()
    if not child:
        status = 1
        try:
            log = os.open(
                job.get("log") or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666
            )
            os.dup2(log, 1)
            os.dup2(log, 2)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(answer(job, api), file)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            # Not exit: the threads of queues and sessions may never end.
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    status = ended(child)
    if status is None:
        return None
    if status == 0:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {status >> 8}"
    return {
        "verb": job["verb"],
        "api": api,
        "error": {
            "type": "Crash",
            "message": "the process that ran the stock code ended with " + how,
            "where": "see the log",
        },
    }


def heed_the_end():
    """Ends this process and all that it forked when nobody holds the other end of standard
    input."""

    def wait():
        while os.read(0, 1):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    if stat.S_ISSOCK(os.fstat(0).st_mode):
        threading.Thread(target=wait, daemon=True).start()


def begin(path):
    """Tells whoever asked that the next job is being done: a file has a byte for each."""
    with open(path, "ab") as file:
        file.write(b".")


def main(arguments):
    heed_the_end()
    job_path, result_path = arguments[:2]
    api_revision.extend_path(arguments[2:])
    with open(job_path, encoding="utf-8") as file:
        jobs = json.load(file)
    batch = jobs if isinstance(jobs, list) else [jobs]
    # Whatever importing prints belongs in the first job's log, not on anyone's screen.
    first_log = next((job["log"] for job in batch if job.get("log")), os.devnull)
    with open(first_log, "a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        api = probe()
        results = []
        for job in batch:
            begin(result_path + ".begun")
            results.append(forked(job, api, result_path + ".part"))
    with open(result_path + ".part", "w", encoding="utf-8") as file:
        json.dump(results if isinstance(jobs, list) else results[0], file)
    os.replace(result_path + ".part", result_path)


if __name__ == "__main__":
    main(sys.argv[1:])
