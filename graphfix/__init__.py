"""graphfix carries a TensorFlow 1 Object Detection API detector over to new classes.

    import graphfix

    options = graphfix.ConvertOptions(label_map_path="parts.pbtxt", freeze="backbone")
    report = graphfix.convert("ssd_mobilenet_v1_coco_2018_01_28.tar.gz", "converted", options)

docs/api.md lists everything.  Importing this loads nothing: a name is loaded when it is first used,
since NumPy alone takes longer than the rest.
"""

import sys

# As type checkers know it.  Nothing is imported yet that Python has not loaded itself: the current
# directory may have a typing.py, and process/import_path.py has not been asked.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from graphfix.anchor_fitting.workflow import AnchorFit
    from graphfix.api.comparisons import check, diff, try_with_stock_api, update_golden, verify
    from graphfix.api.conversions import (
        convert,
        convert_batch,
        inspect,
        model_in_memory,
        open_model,
        plan,
        thaw,
    )
    from graphfix.api.exports import convert_lite, export
    from graphfix.api.training import (
        apply_anchors,
        check_environment,
        diagnose,
        explain,
        fit_anchors,
        show_anchors,
        show_records,
    )
    from graphfix.choices import AnchorBoxes, Freeze, NewRows, Target, Trainer, Weights
    from graphfix.comparison.check import GoldenUpdate
    from graphfix.comparison.result import Comparison
    from graphfix.conversion.inspect import ModelDescription
    from graphfix.conversion.thaw import Thawed
    from graphfix.doctor.doctor import Diagnosis
    from graphfix.doctor.messages.explain import Explanation
    from graphfix.doctor.python_environment import Environment
    from graphfix.errors import GraphfixError, Problem, RequestError, SourceError, VerificationError
    from graphfix.exporting.workflow import Exported
    from graphfix.findings import Finding
    from graphfix.modeldir.destinations import Directory, Memory
    from graphfix.modeldir.openers import Model
    from graphfix.options import ConvertOptions
    from graphfix.planning.plan import Plan
    from graphfix.record_sheets.workflow import RecordSheets
    from graphfix.report.report import Report
    from graphfix.verification.stock_trial import StockTrial
    from graphfix.verification.verify import Verified

__version__ = "0.1.0"

# Module: the public names that it has.
_MODULES = {
    "api.conversions": "convert convert_batch inspect model_in_memory open_model plan thaw",
    "api.exports": "convert_lite export",
    "api.comparisons": "check diff try_with_stock_api update_golden verify",
    "api.training": "apply_anchors check_environment diagnose explain fit_anchors show_anchors "
    "show_records",
    "anchor_fitting.workflow": "AnchorFit",
    "choices": "AnchorBoxes Freeze NewRows Target Trainer Weights",
    "comparison.check": "GoldenUpdate",
    "comparison.result": "Comparison",
    "conversion.inspect": "ModelDescription",
    "conversion.thaw": "Thawed",
    "doctor.doctor": "Diagnosis",
    "doctor.messages.explain": "Explanation",
    "doctor.python_environment": "Environment",
    "errors": "GraphfixError Problem RequestError SourceError VerificationError",
    "exporting.workflow": "Exported",
    "findings": "Finding",
    "modeldir.destinations": "Directory Memory",
    "modeldir.openers": "Model",
    "options": "ConvertOptions",
    "planning.plan": "Plan",
    "record_sheets.workflow": "RecordSheets",
    "report.report": "Report",
    "verification.stock_trial": "StockTrial",
    "verification.verify": "Verified",
}
_PUBLIC = {
    name: f"graphfix.{module}" for module, names in _MODULES.items() for name in names.split()
}
__all__ = sorted(_PUBLIC)  # noqa: PLE0605 - a list, which ruff does not see


class _Lazy(type(sys)):  # type: ignore[misc]  # the type of modules
    """This module, which loads a public name when it is first asked for (CPython 3.6 has no
    `__getattr__` of a module's own)."""

    def __getattr__(self, name: str) -> object:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'graphfix' has no attribute {name!r}")
        __import__(_PUBLIC[name])
        value = getattr(sys.modules[_PUBLIC[name]], name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> "list[str]":
        return sorted({*self.__dict__, *__all__})


sys.modules[__name__].__class__ = _Lazy
