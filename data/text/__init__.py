"""Text to batches: finding and reading files, corpora by name, tokenizers, token shards, batch order."""
