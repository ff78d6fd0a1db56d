"""One module per command or small family, imported when it runs."""
