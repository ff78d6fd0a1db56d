"""Whether a model runs on this machine: estimates, quants side by side, `auto`, the warning before a fetch."""
