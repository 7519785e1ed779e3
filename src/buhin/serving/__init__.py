"""The runtime that every service shares: build, bind, admit, answer, drain."""

from buhin.serving.application import Application
from buhin.serving.server import Server, run
from buhin.serving.worker import Stream, Worker

__all__ = ["Application", "Server", "Stream", "Worker", "run"]
