"""What one call works with: settings, options, store, sources and, once something needs it, a client."""

from modelsync.context.context import OFFLINE_HINT, Context
from modelsync.context.options import NO_OPTIONS, CallOptions

__all__ = ["NO_OPTIONS", "OFFLINE_HINT", "CallOptions", "Context"]
