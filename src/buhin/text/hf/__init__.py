"""Text generation by transformers: models made for translation or summaries, and chat models."""
