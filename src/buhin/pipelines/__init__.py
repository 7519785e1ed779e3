"""Pipelines: service methods put together in a YAML file, checked before anything runs, and durable.

``spec`` reads and checks a pipeline, ``runner`` runs it, ``writers`` makes files of its results.
"""
