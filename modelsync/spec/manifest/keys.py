"""The keys of a manifest and the bounds of its values: what the parser checks with and the JSON Schema is made of."""

from modelsync.spec.roles import KEYS as COMPANION_KEYS

TOP_KEYS = ("modelsync", "models")
PROJECT_KEYS = ("dir", "default-groups", "endpoint", "mirrors", "required-version", "allowed-licenses")
GLOB_KEYS = ("include", "exclude", "allow-code")
VARIANT_KEYS = ("uri", "revision", *GLOB_KEYS, *COMPANION_KEYS, "sha256", "endpoint", "license", "load")
ENTRY_KEYS = (*VARIANT_KEYS, "groups", "variants")

AUTO = "auto"  # what no variant may be called: it means the largest one that fits
MAX_COMPANIONS = 64  # of one role
MAX_TEXTS = 1024  # of other lists
