"""What a conversion did, as data: the summary line, report.json and the exit code are views of it."""

import dataclasses
import json
from typing import Any, Dict, Tuple

from graphfix.config import trainers
from graphfix.findings import Finding
from graphfix.model import families
from graphfix.surgery.edits import Copy, Drop, Gather, Keep, Rename, Reset, Widen
from graphfix.surgery.plan import SurgeryPlan


@dataclasses.dataclass(frozen=True)
class Report:
    """A plan, what was published for it (`artifacts`: file names), and what there is to know."""

    source: str
    family: str
    plan: SurgeryPlan
    outgoing: Tuple[str, ...]
    artifacts: Tuple[str, ...]
    config_diff: str

    exit_code = 0

    @property
    def findings(self) -> Tuple[Finding, ...]:
        return self.plan.findings

    @property
    def summary(self) -> str:
        """The one line to quote."""
        plan = self.plan
        rewritten = plan.count(Gather, Reset, Widen)
        averages = sum(isinstance(one, Copy) for one in plan.additions)
        parts = ["%d tensors: %d kept, %d rewritten, %d dropped%s" % (
            len(plan.edits), plan.count(Keep, Rename), rewritten, plan.count(Drop),
            ", %d moving averages added" % averages if averages else "")]
        parts.append("stock API %s%s" % (plan.target_api, self._forecasts()))
        parts.append("%d classes carried, %d new" % (
            plan.carried, plan.new))
        return "; ".join(parts)

    def _forecasts(self) -> str:
        """What the trainers restore: said once where they agree."""
        rows = [(name, self._forecast(what))
                for name, what in trainers.restored(self.plan.target_api, self.plan.trainer)]
        if len({words for _, words in rows}) == 1:
            return " " + rows[0][1]
        return ": " + ", ".join("%s %s" % row for row in rows)

    def _forecast(self, what: str) -> str:
        variables = [one for one in self.outgoing if one != families.GLOBAL_STEP
                     and not one.endswith(families.MOVING_AVERAGE)]
        restored = {trainers.EVERYTHING: len(variables), trainers.NOTHING: 0,
                    trainers.BACKBONE: sum(one.startswith("FeatureExtractor/")
                                           for one in variables)}[what]
        return "restores %d of %d" % (restored, len(variables))

    def to_json(self) -> str:
        plan = self.plan
        data = {
            "summary": self.summary, "source": self.source, "family": self.family,
            "target_api": plan.target_api, "trainer": plan.trainer,
            "classes": [dataclasses.asdict(one) for one in plan.classes],
            "tensors": {kind.__name__.lower(): plan.count(kind)
                        for kind in (Keep, Gather, Reset, Rename, Drop, Widen)},
            "artifacts": list(self.artifacts),
            "config_diff": self.config_diff.splitlines(),
            "findings": [dataclasses.asdict(one) for one in self.findings],
            "exit_code": self.exit_code,
        }  # type: Dict[str, Any]
        return json.dumps(data, indent=2, sort_keys=True) + "\n"
