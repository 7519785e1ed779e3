"""Requests and files that nobody would send. See docs/security.md."""
