"""Service cards: what each part is, how good it was measured to be, and its limits."""
