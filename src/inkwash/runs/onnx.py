"""Inference with ONNX Runtime, which is faster than PyTorch in float32 on a CPU without bfloat16."""

import contextlib
import io
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from inkwash.errors import InkwashError, UsageError
from inkwash.nets import Condition


class Onnx(nn.Module):
    """Runs a network with ONNX Runtime on the CPU in float32: net(x, t, asked), for inference only.

    The network is exported when a batch shape first occurs, which takes seconds. Samples differ from those of PyTorch
    by float32 rounding (tests/runs/test_engines.py has the bound).

    Raises UsageError if the required packages are not installed.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        try:
            import onnxruntime  # type: ignore[import-untyped]
            import onnxscript  # noqa: F401  # what torch.onnx translates with
        except ImportError as error:
            raise UsageError(
                f"`engine='onnx'` needs the package {error.name}; install inkwash[onnx], or leave it out."
            ) from error
        self.net = net
        self._make, self._options = onnxruntime.InferenceSession, onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = torch.get_num_threads()
        self._options.log_severity_level = 3  # errors
        self._sessions: dict[tuple[Any, ...], Any] = {}

    def forward(self, x: Tensor, t: Tensor, asked: Condition | Tensor | None = None) -> Tensor:
        if isinstance(asked, Tensor):
            asked = Condition(asked, torch.ones(len(x), dtype=torch.bool))
        inputs = (x, t) if asked is None else (x, t, asked.value, asked.present)
        kind = tuple((tuple(each.shape), each.dtype) for each in inputs)
        if kind not in self._sessions:
            self._sessions[kind] = self._session(inputs)
        fed = {f"input{i}": each.contiguous().numpy() for i, each in enumerate(inputs)}
        (out,) = self._sessions[kind].run(None, fed)
        return torch.from_numpy(out)

    def _session(self, inputs: tuple[Tensor, ...]) -> Any:
        names = [f"input{i}" for i in range(len(inputs))]
        with quiet():
            try:
                program = torch.onnx.export(
                    _Flat(self.net).eval(), inputs, input_names=names, dynamo=True, verbose=False
                )
            except torch.onnx.errors.OnnxExporterError as error:
                kind = type(self.net).__name__
                reason = str(error).strip().splitlines()[0]
                raise InkwashError(f"ONNX cannot express {kind} ({reason}); leave out `engine='onnx'`.") from error
        assert program is not None
        return self._make(program.model_proto.SerializeToString(), self._options, providers=["CPUExecutionProvider"])


class _Flat(nn.Module):
    """A network whose inputs are all tensors."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor, value: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        asked = None if value is None or present is None else Condition(value, present)
        return self.net(x, t, asked)  # type: ignore[no-any-return]


@contextlib.contextmanager
def quiet() -> Any:
    """Silences the exporter, which reports its own deprecations through warnings, logging and print."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
