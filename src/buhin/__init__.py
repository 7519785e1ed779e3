"""buhin (部品): small AI functions as gRPC services, and the clients that call them."""

from importlib.metadata import version

__version__ = version("buhin")
