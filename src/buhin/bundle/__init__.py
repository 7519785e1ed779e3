"""Bundles: everything that a closed network needs in one signed archive (docs/bundle.md)."""
