"""Our services against what they are built on, side by side. ``make bench`` writes docs/performance.md."""
