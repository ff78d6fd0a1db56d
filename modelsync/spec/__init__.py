"""What a project asks for and what it got: URIs, manifest and lock. Values in, values out: no file, no network."""
