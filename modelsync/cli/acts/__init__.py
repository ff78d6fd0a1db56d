"""What commands do, apart from how their lines are read: what `quick` runs must not import click."""
