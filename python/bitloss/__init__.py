"""What do you lose with those bits? What quantization costs a language model, with error bars.

`run`, `quantize` and `score` are the program's commands; `Comparison` takes logits of any framework
through the same statistics.
"""

from ._comparison import Comparison, Divergence, Mean, Unit, divergence, mean
from ._errors import BadInput, Error, IoError, NotFound, Unsupported
from ._study import Study, quantize, report, run, score

__all__ = ["BadInput", "Comparison", "Divergence", "Error", "IoError", "Mean", "NotFound", "Study", "Unit",
           "Unsupported", "divergence", "mean", "quantize", "report", "run", "score"]
