"""What modelsync does: lock, sync, path, plan, freshness. It knows no terminal."""
