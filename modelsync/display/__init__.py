"""Bars, tables and units: what the command line and notebooks share."""
