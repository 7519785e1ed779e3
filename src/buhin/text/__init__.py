"""What the language services share: sentences, languages, embeddings, generators."""
