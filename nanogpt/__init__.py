"""Checkpoints of nanoGPT in: its weights, exactly the same function here, and its tokens.

``checkpoint`` reads a file that its training writes, ``characters`` the ones that its models of characters know.
"""

from nanogpt.checkpoint import SCHEME, Import, read

__all__ = ["SCHEME", "Import", "read"]
