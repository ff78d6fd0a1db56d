"""The store, told in models: what `cache list`, `cache rm` and `cache prune` show and remove."""
