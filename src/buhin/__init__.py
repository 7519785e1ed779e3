"""buhin (部品): small AI functions as gRPC services, and the clients that call them.

Libraries of models that report their use to their makers are told not to: onnxruntime, which does so on Linux from
version 1.29 on, and those of the Hugging Face hub. Set a variable to something else to allow it.
"""

import os
from importlib.metadata import version

for _variable in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_variable, "1")

__version__ = version("buhin")
