"""Loads models with llama-cpp-python, and asks llama.cpp for facts. llama_cpp is imported lazily."""
