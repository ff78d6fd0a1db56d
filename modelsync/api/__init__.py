"""The Python API: what `import modelsync` offers. Calls are safe from any thread, and from a notebook.

A server that runs an event loop calls these in a thread: `await asyncio.to_thread(modelsync.path, "llama3")`.
"""
