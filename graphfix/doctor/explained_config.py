"""Looks in a config for what an explained message may come from."""

from typing import List

from graphfix.doctor import memory
from graphfix.doctor.diagnosis import run_checks
from graphfix.doctor.doctor import read_config
from graphfix.doctor.messages.explain import Explanation, InConfig
from graphfix.doctor.setup import Options, Setup
from graphfix.modeldir.search import find_config


def look_into(found: Explanation, config_path: str, options: Options) -> Explanation:
    """An explanation with what doctor finds of it in a config, and the memory that the trainers
    will need where it is about that.

    Raises:
      SourceError: the config can't be read.
    """
    config_path = find_config(config_path)
    data = read_config(config_path)
    codes = {code for row in found.messages for code in row.codes}
    results = run_checks(data, config_path, options).results
    findings = tuple(one.finding for one in results if one.check.code in codes)
    lines: List[str] = []
    if any(row.memory for row in found.messages):
        for forecast in memory.forecasts(Setup(data, config_path, options)):
            lines += forecast.to_lines()
    return found._replace(config=InConfig(config_path, findings, tuple(lines)))
