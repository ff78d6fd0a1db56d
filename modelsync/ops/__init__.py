"""What modelsync does: one module a command. The only place where rooms are put together."""
