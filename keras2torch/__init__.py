"""keras2torch: one Keras `.h5` in, one readable and proven PyTorch module out.

Converting needs neither TensorFlow nor Keras nor torch; `load` imports torch, `verify` runs both in child processes.
"""

from keras2torch._version import __version__
from keras2torch.conversion import Conversion, convert

__all__ = ["Conversion", "__version__", "convert"]
