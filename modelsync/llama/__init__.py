"""llama.cpp through llama-cpp-python, imported when something is loaded."""
