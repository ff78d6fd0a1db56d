"""Machines that look for the moment at which a promise does not hold: `python -m tests.torture --help`.

Each is a module with a `run(lab, budget, tally)`: it works until its budget is used up and tells the tally what it
covered and what went wrong. The tests here run each for some seconds; `make torture` runs them for as long as it is
told to.
"""
