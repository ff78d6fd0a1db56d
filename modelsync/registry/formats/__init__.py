"""How models are stored in registries, one module a format: layers and a configuration -> `Contents`."""
