"""The model store: models by digest, from sources in order."""
