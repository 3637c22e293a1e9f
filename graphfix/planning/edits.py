"""The vocabulary of a plan: what can become of a tensor, and what is added.

An edit is plain data, in JSON both ways, so that a plan can be printed, compared and replayed; and
it carries its own behaviour: `output_name`, `output_meta`, `apply` and `describe`.  Nobody asks an
edit for its type to know what to do.
"""

import dataclasses
import functools
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from graphfix.detectors.initializer import Initializer
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView

MEAN = "mean"
NOISE = "noise"
ADDED_NOISE = "added_noise"
CONSTANT = "constant"


@dataclasses.dataclass(frozen=True)
class Fill:
    """Values for channels that no single old channel gives.

    `rule` MEAN: every channel is the mean of the old channels `sources`.  NOISE: all channels
    together are one draw from `initializer`, named by `key`.  ADDED_NOISE: that draw is added to
    what an earlier fill put there.  CONSTANT: `value` everywhere.
    """

    rule: str
    channels: Tuple[int, ...]
    sources: Tuple[int, ...] = ()
    initializer: Optional[Initializer] = None
    key: str = ""
    value: float = 0.0


class _Named:
    """What edits and additions have in common.

    `kind` is their name in JSON and in tables.
    """

    kind: ClassVar[str]

    @property
    def channels(self) -> Optional[int]:
        """How many channels it is given; None where they stay as they are."""
        return None

    @property
    def uniform(self) -> Optional[float]:
        """The value that every element has; None where they differ, or are not known."""
        return None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.kind = cls.__name__.lower()


class _Edit(_Named):
    """What becomes of the source's tensor `tensor`.

    `copies` says that the bytes go out as they are, `rewrites` that other values do; an edit that
    does neither drops the tensor.  `reads` says that what goes out depends on the tensor's values.
    """

    tensor: str
    copies: ClassVar[bool] = False
    rewrites: ClassVar[bool] = False
    reads: ClassVar[bool] = True

    @property
    def output_name(self) -> Optional[str]:
        """The name the tensor goes out under; None where it does not."""
        return self.tensor

    @property
    def depends_on(self) -> Optional[str]:
        """The outgoing tensor that has to be made first, None where there is none."""
        return None

    def output_meta(self, meta: TensorMeta) -> Optional[TensorMeta]:
        """Name, type and shape of what goes out for a source tensor like `meta`."""
        name = self.output_name
        return None if name is None else TensorMeta(name, meta.dtype, meta.shape)

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> Optional[TensorView]:
        """What goes out, as a view whose values are computed once, when first loaded; `made` has
        the tensors made before.  None where nothing goes out."""
        raise NotImplementedError

    def describe(self) -> str:
        """What becomes of it, in a few words."""
        return "kept byte for byte"

    def _computed(self, meta: TensorMeta, compute: Callable[[], Any]) -> TensorView:
        out = self.output_meta(meta)
        assert out is not None
        return TensorView(out, functools.lru_cache(maxsize=1)(compute))


@dataclasses.dataclass(frozen=True)
class Keep(_Edit):
    """The tensor stays as it is, byte for byte."""

    tensor: str
    copies = True

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> TensorView:
        return view


@dataclasses.dataclass(frozen=True)
class Gather(_Edit):
    """The tensor `to` takes, along the last axis, channel `index[j]` of `tensor` as its j-th;
    where that is -1, one of `fills` says what it is.  Where `affine` is given, channel j is then
    multiplied by the first number of `affine[j]`, and the second is added."""

    tensor: str
    to: str
    index: Tuple[int, ...]
    fills: Tuple[Fill, ...]
    affine: Tuple[Tuple[float, float], ...] = ()
    rewrites = True

    @property
    def output_name(self) -> str:
        return self.to

    @property
    def channels(self) -> int:
        return len(self.index)

    def output_meta(self, meta: TensorMeta) -> TensorMeta:
        return TensorMeta(self.to, meta.dtype, meta.shape[:-1] + (self.channels,))

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> TensorView:
        from graphfix.planning import kernels  # plans are made without the arithmetic

        return self._computed(view.meta, lambda: kernels.gather(view.load(), self))

    def describe(self) -> str:
        taken = sum(origin >= 0 for origin in self.index)
        made = len(self.index) - taken
        return "".join(
            [
                f"{taken} channels from the source",
                f", {made} new" if made else "",
                ", recoded for the new anchors" if self.affine else "",
                f"; taken from {self.tensor}" if self.to != self.tensor else "",
            ]
        )


@dataclasses.dataclass(frozen=True)
class Reset(_Edit):
    """The tensor keeps type and shape; every element becomes `value`."""

    tensor: str
    value: float
    rewrites, reads = True, False

    @property
    def uniform(self) -> float:
        return self.value

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> TensorView:
        return _full(view.meta, self.value)

    def describe(self) -> str:
        return f"set to {self.value:g}"


@dataclasses.dataclass(frozen=True)
class Rename(_Edit):
    """The tensor's bytes go out under another name."""

    tensor: str
    to: str
    copies = True

    @property
    def output_name(self) -> str:
        return self.to

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> TensorView:
        return _renamed(view, self.to)

    def describe(self) -> str:
        return f"{self.to} from {self.tensor}"


@dataclasses.dataclass(frozen=True)
class Drop(_Edit):
    """The tensor does not go out."""

    tensor: str
    reason: str
    reads = False

    @property
    def output_name(self) -> None:
        return None

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> None:
        return None

    def describe(self) -> str:
        return self.reason


@dataclasses.dataclass(frozen=True)
class Widen(_Edit):
    """A scalar that bounds ("min" or "max") the outgoing tensor `of`: it keeps its value, or
    becomes that tensor's extreme where that lies beyond."""

    tensor: str
    of: str
    bound: str
    rewrites = True

    @property
    def depends_on(self) -> str:
        return self.of

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> TensorView:
        from graphfix.planning import kernels

        of = made[self.of]
        return self._computed(view.meta, lambda: kernels.widen(view.load(), of.load(), self))

    def describe(self) -> str:
        return f"range: its {self.bound} goes as far as the new {self.of}"


@dataclasses.dataclass(frozen=True)
class Stretch(_Edit):
    """A scalar that bounds ("min" or "max") a head's outputs, which become a * output + b by
    channel: it becomes the extreme of a * value + b."""

    tensor: str
    affine: Tuple[Tuple[float, float], ...]
    bound: str
    rewrites = True

    def apply(self, view: TensorView, made: Mapping[str, TensorView]) -> TensorView:
        from graphfix.planning import kernels

        return self._computed(view.meta, lambda: kernels.stretch(view.load(), self))

    def describe(self) -> str:
        return f"range: its {self.bound} follows the recoded boxes"


Edit = Union[Keep, Gather, Reset, Rename, Drop, Widen, Stretch]
EDITS = {kind.kind: kind for kind in (Keep, Gather, Reset, Rename, Drop, Widen, Stretch)}


@dataclasses.dataclass(frozen=True)
class Copy(_Named):
    """An additional tensor: the same bytes as the outgoing tensor `of`."""

    name: str
    of: str
    reason: str

    def apply(self, made: Mapping[str, TensorView]) -> TensorView:
        return _renamed(made[self.of], self.name)


@dataclasses.dataclass(frozen=True)
class Constant(_Named):
    """An additional tensor of one value."""

    name: str
    dtype: str
    shape: Tuple[int, ...]
    value: float
    reason: str

    @property
    def uniform(self) -> float:
        return self.value

    def apply(self, made: Mapping[str, TensorView]) -> TensorView:
        return _full(TensorMeta(self.name, dtypes.BY_NAME[self.dtype], self.shape), self.value)


Addition = Union[Copy, Constant]
ADDITIONS = {kind.kind: kind for kind in (Copy, Constant)}


def apply_edits(
    edits: Sequence[Edit], additions: Sequence[Addition], source: TensorStore
) -> TensorStore:
    """The outgoing tensors: views that read the source when they are loaded."""
    made: Dict[str, Any] = {}
    for edit in _in_order(edits):
        view = edit.apply(source[edit.tensor], made)
        if view is not None:
            made[view.meta.name] = view
    for addition in additions:
        made[addition.name] = addition.apply(made)
    return TensorStore(made.values())


def output_names(edits: Sequence[Edit], additions: Sequence[Addition] = ()) -> Iterator[str]:
    """The names of all that goes out."""
    for edit in edits:
        if edit.output_name is not None:
            yield edit.output_name
    for addition in additions:
        yield addition.name


def _in_order(edits: Sequence[Edit]) -> Iterator[Edit]:
    """Those first that depend on no other's tensor."""
    yield from (edit for edit in edits if edit.depends_on is None)
    yield from (edit for edit in edits if edit.depends_on is not None)


def _renamed(view: TensorView, name: str) -> TensorView:
    return TensorView(TensorMeta(name, view.meta.dtype, view.meta.shape), view.load, view.extent)


def _full(meta: TensorMeta, value: float) -> TensorView:
    def made():
        import numpy as np

        return np.full(meta.shape, value, meta.dtype.numpy)

    return TensorView(meta, made)
