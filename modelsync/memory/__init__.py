"""Estimates how much memory a model needs, from its header. Pure."""
