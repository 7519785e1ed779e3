"""Engines in processes of their own, which import the engine and nothing of the server."""
