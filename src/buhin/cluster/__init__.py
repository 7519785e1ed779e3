"""The catalogue on Kubernetes: what runs, why something does not, and how to reach it."""
