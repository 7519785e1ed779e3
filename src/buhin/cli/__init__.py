"""The command line: one module a noun. At import time these modules load nothing but typer."""
